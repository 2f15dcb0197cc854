//! Takes the function names out of a wasm file. `worker-build` keeps them, and they are a third of it; a Rust panic
//! names its file and line without them.

use anyhow::{Context, Result, bail};

const HEADER_BYTES: usize = 8;
const CUSTOM_SECTION: u8 = 0;

/// The module without its `name` section. Fails when the bytes are no wasm module.
pub(crate) fn strip(wasm: &[u8]) -> Result<Vec<u8>> {
    if !wasm.starts_with(b"\0asm") || wasm.len() < HEADER_BYTES {
        bail!("this is no wasm module");
    }
    let (header, mut rest) = wasm.split_at(HEADER_BYTES);
    let mut stripped = header.to_vec();
    while let [kind, after_kind @ ..] = rest {
        let (body_bytes, after_size) = number(after_kind)?;
        let body = after_size.get(..body_bytes).context("a section ends after the end of the file")?;
        let section_bytes = rest.len() - after_size.len() + body_bytes;
        let (section, following) = rest.split_at(section_bytes);
        if *kind != CUSTOM_SECTION || section_name(body)? != b"name" {
            stripped.extend_from_slice(section);
        }
        rest = following;
    }
    Ok(stripped)
}

fn section_name(body: &[u8]) -> Result<&[u8]> {
    let (name_bytes, rest) = number(body)?;
    rest.get(..name_bytes).context("a section's name ends after its end")
}

/// A LEB128 number of at most 32 bits, and what follows it.
fn number(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut value = 0_usize;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[index + 1..]));
        }
    }
    bail!("a number in the wasm file does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"\0asm\x01\0\0\0";
    const CODE: &[u8] = b"\x0a\x02\x01\x00";
    const NAMES: &[u8] = b"\0\x06\x04name\x07";
    const PRODUCERS: &[u8] = b"\0\x0b\x09producers\x07";

    #[test]
    fn only_the_names_go() {
        let full = [HEADER, NAMES, CODE, PRODUCERS, NAMES].concat();
        assert_eq!(strip(&full).unwrap(), [HEADER, CODE, PRODUCERS].concat());
    }

    #[test]
    fn long_sections_are_measured() {
        let long = [&[0x0b, 0xac, 0x02][..], &[7; 300]].concat();
        let full = [HEADER, &long, NAMES].concat();
        assert_eq!(strip(&full).unwrap(), [HEADER, &long].concat());
    }

    #[test]
    fn what_is_no_wasm_is_refused() {
        assert!(strip(b"text").is_err());
        assert!(strip(&[HEADER, b"\x0a\x7f"].concat()).is_err());
    }
}
