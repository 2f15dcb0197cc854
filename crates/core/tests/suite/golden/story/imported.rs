use longhaul_core::{Entry, Imported, Record, Seq};

use super::life;

/// The same session, whose first run came from elsewhere.
pub(crate) fn imported() -> Vec<Vec<Record>> {
    let mut rows = life();
    let at = rows[1][0].at + 50;
    if let Entry::RunAccepted { settings, .. } = &mut rows[0][0].entry {
        settings.imported = Some(Box::new(Imported { seq: Seq(4), at }));
    }
    rows
}
