/// What is wrong at one place of a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The place, as RFC 6901 writes it; empty for the whole document.
    pub pointer: String,
    /// What is wrong with what is there.
    pub detail: String,
}

impl Misfit {
    /// Of the whole document.
    pub(super) fn whole(detail: impl Into<String>) -> Self {
        Self { pointer: String::new(), detail: detail.into() }
    }
}

/// Several of them in one text, for a model.
pub fn told_misfits(misfits: &[Misfit]) -> String {
    let told = misfits.iter().map(|Misfit { pointer, detail }| match pointer.as_str() {
        "" => format!("it {detail}"),
        pointer => format!("{pointer} {detail}"),
    });
    told.collect::<Vec<_>>().join("; ")
}
