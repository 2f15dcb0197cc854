use crate::{
    decide::{
        after::{Next, Room, after},
        budget::last_by,
        calls::begin,
        draft::Draft,
        ending::end,
        gate::{use_again, use_tool},
    },
    ids::RunId,
};

/// Does what follows from where a run stands, until that is to wait.
pub(crate) fn follow(d: &mut Draft<'_>, id: RunId) {
    let mut id = id;
    loop {
        let room = Room {
            now: d.now(),
            is_full: d.is_full(),
            first: d.open_runs().next().map(|run| run.id),
            limits: d.limits(id),
            last_by: last_by(d, id),
        };
        match after(d.run(id), room) {
            Next::Wait => return,
            Next::Call(asks) => asks.iter().for_each(|ask| begin(d, id, ask)),
            Next::Use(call) => use_tool(d, id, &call),
            Next::Again(call) => use_again(d, id, call),
            Next::End(stop) => end(d, id, stop),
            Next::Begin(next) => id = next,
        }
    }
}
