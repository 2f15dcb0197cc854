use serde_json::Value;

use crate::limits::{METADATA_KEY_BYTES_MAX, POINTER_CHARS_MAX};

/// A place in a document, as the way to it. No text is made of it before something is wrong there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    Root,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// As RFC 6901 writes it, as far as it is told: a name may be as long as the document.
    pub(super) fn pointer(&self) -> String {
        let mut pointer = String::new();
        self.write(&mut pointer);
        pointer.chars().take(POINTER_CHARS_MAX).collect()
    }

    fn write(&self, pointer: &mut String) {
        match self {
            Self::Root => {}
            Self::Member(parent, name) => {
                parent.write(pointer);
                let name = &name[..name.floor_char_boundary(METADATA_KEY_BYTES_MAX)];
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
            Self::Item(parent, index) => {
                parent.write(pointer);
                pointer.push_str(&format!("/{index}"));
            }
        }
    }
}

/// What a local reference points to.
pub(super) fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}
