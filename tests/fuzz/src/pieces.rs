//! Inputs taken apart. An input is a readable text wherever that is possible, so that a file of a corpus says what it
//! is about.

/// The same bytes in several splits: whole, byte by byte, and two that depend on the bytes alone.
pub(crate) fn splits(bytes: &[u8]) -> [Vec<&[u8]>; 4] {
    let seed = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    [vec![bytes], bytes.chunks(1).collect(), pieces(bytes, seed | 1), pieces(bytes, seed.rotate_left(32) | 1)]
}

/// Pieces of 1 to 16 bytes, in an order that the state (not 0) decides.
fn pieces(mut bytes: &[u8], mut state: u64) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let length = usize::try_from(state % 16).expect("below 16") + 1;
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// The first `N` lines, lossily as text, and all that is after them. A line that is missing is `None`.
pub(crate) fn lines<const N: usize>(bytes: &[u8]) -> ([Option<String>; N], &[u8]) {
    let mut rest = Some(bytes);
    let lines = std::array::from_fn(|_| {
        let bytes = rest?;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        rest = end.map(|end| &bytes[end + 1..]);
        Some(String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned())
    });
    (lines, rest.unwrap_or_default())
}
