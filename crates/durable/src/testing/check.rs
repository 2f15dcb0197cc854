use std::collections::BTreeMap;

use longhaul_core::{CallId, Entry, Seq};

use super::{reply::panic_at, world::World};

impl World {
    /// Checks what holds of every agent: no entry is missing, no run or call ends twice, no attempt was made that the journal
    /// did not promise, a call has one key, and the memory of the process is what its journal says.
    /// [`deaths`](super::deaths) checks each of its worlds.
    ///
    /// # Panics
    /// When something of it does not hold. That is a mistake of longhaul, and not of the agent: please report it with what
    /// this prints.
    #[track_caller]
    pub fn check(&self) {
        let broken = self.broken();
        if !broken.is_empty() {
            panic_at(&format!("what must always hold does not: {}\n{self}", broken.join("; ")));
        }
    }

    fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let (mut ended, mut answered) = (BTreeMap::new(), BTreeMap::new());
        let mut promised: Vec<(CallId, u32)> = Vec::new();
        self.see(|outside| {
            for (index, record) in outside.disk.records().enumerate() {
                if record.seq != Seq(index as u64 + 1) {
                    broken.push(format!("{} stands at place {}", record.seq, index + 1));
                }
                match &record.entry {
                    Entry::RunEnded { .. } => *ended.entry(record.run).or_insert(0) += 1,
                    Entry::ToolAnswered { call, .. } => *answered.entry(*call).or_insert(0) += 1,
                    Entry::ToolCalled { call, attempt, .. } => promised.push((*call, *attempt)),
                    _ => {}
                }
            }
            let mut keys = BTreeMap::new();
            for made in &outside.performed {
                if !promised.contains(&(made.call, made.attempt)) {
                    broken.push(format!("attempt {} of {} was not promised", made.attempt, made.tool));
                }
                let key = keys.entry(made.call).or_insert_with(|| made.key.clone());
                if *key != made.key {
                    broken.push(format!("call {} of {} has two keys", made.call, made.tool));
                }
            }
        });
        broken.extend(
            ended.iter().filter(|(_, times)| **times > 1).map(|(run, _)| format!("run {run} ended twice")),
        );
        broken.extend(
            answered
                .iter()
                .filter(|(_, times)| **times > 1)
                .map(|(call, _)| format!("call {call} ended twice")),
        );
        if self.in_memory().is_some_and(|memory| memory != self.session()) {
            broken.push("the memory is not what the journal says".to_owned());
        }
        broken
    }
}
