use std::rc::Rc;

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_core::{Found, Record, TimeMs, ToolOutcome};
use longhaul_host::{Delta, ToolJob, WireFault, WireRequest, WireResponse};
use longhaul_world::{Disk, Fault, Mishap, Process, Surroundings};

use super::{far, moment::Event, outside::Outside};

impl Surroundings for Outside {
    fn now(&self) -> TimeMs {
        self.now
    }

    fn set_now(&mut self, now: TimeMs) {
        self.now = now;
    }

    fn draw(&mut self) -> u64 {
        self.draw()
    }

    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn disk_mut(&mut self) -> &mut Disk {
        &mut self.disk
    }

    fn note(&mut self, _: Mishap) {}

    fn hear(&mut self, _: Vec<Record>) {}

    fn hear_delta(&mut self, delta: &Delta) {
        self.deltas.push(delta.text.clone());
    }

    fn dismiss(&mut self) {}

    fn fault_of_append(&mut self, records: &[Record]) -> Option<Fault> {
        if self.strikes(&Event::Storing(records)) {
            Some(Fault::CrashBefore)
        } else if self.strikes(&Event::Stored(records)) {
            Some(Fault::CrashAfter)
        } else {
            None
        }
    }

    fn send(
        process: Rc<Process<Self>>,
        request: WireRequest,
    ) -> LocalBoxFuture<'static, Result<WireResponse, WireFault>> {
        far::send(process, request).boxed_local()
    }

    fn call_tool(process: Rc<Process<Self>>, job: ToolJob) -> LocalBoxFuture<'static, ToolOutcome> {
        far::call_tool(process, job).boxed_local()
    }

    fn reconcile(process: Rc<Process<Self>>, job: ToolJob) -> LocalBoxFuture<'static, Found> {
        far::reconcile(process, job).boxed_local()
    }
}
