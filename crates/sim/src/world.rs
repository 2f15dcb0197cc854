use std::rc::Rc;

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_core::{Found, Record, TimeMs, ToolOutcome};
use longhaul_host::{Delta, ToolJob, WireFault, WireRequest, WireResponse};
use longhaul_world::{Disk, Mishap, Ports, Process, Surroundings};

use crate::{hook, index, model, nexus, outside::Outside, sink, tenant, tools};

/// The world as one process meets it.
pub(crate) type World = Process<Outside>;
/// The ports of the runtime on a simulated world.
pub type SimPorts = Ports<Outside>;

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

    fn note(&mut self, mishap: Mishap) {
        match mishap {
            Mishap::StorageError => self.storage_errors += 1,
            Mishap::CallerLost => self.answers_to_lose += 1,
            Mishap::ReplyLost => self.lost_replies += 1,
        }
    }

    fn hear(&mut self, published: Vec<Record>) {
        if self.has_dismissed {
            if !published.is_empty() {
                self.readmit();
            }
            return;
        }
        let Self { watcher, guests, disk, .. } = self;
        for (guest, _) in guests.iter_mut().filter(|(_, is_there)| *is_there) {
            guest.hear(published.clone(), disk);
        }
        watcher.hear(published, disk);
    }

    fn hear_delta(&mut self, delta: &Delta) {
        self.watcher.deltas.push(delta.clone());
    }

    fn dismiss(&mut self) {
        self.has_dismissed = true;
    }

    fn alarm_lag_ms(&self) -> u64 {
        self.alarm_lag_ms
    }

    fn send(
        world: Rc<World>,
        request: WireRequest,
    ) -> LocalBoxFuture<'static, Result<WireResponse, WireFault>> {
        match request {
            WireRequest::Http(request) if request.url.starts_with(model::BASE_URL) => {
                let asked = model::Asked::over_http(&request);
                model::serve(world, asked).boxed_local()
            }
            WireRequest::Http(request) if request.url.starts_with(nexus::BASE_URL) => {
                nexus::serve(world, request).boxed_local()
            }
            WireRequest::Http(request) if request.url == hook::URL => {
                hook::serve(world, request).boxed_local()
            }
            WireRequest::Http(request) => sink::serve(world, request).boxed_local(),
            WireRequest::Index(statements) => index::serve(world, statements).boxed_local(),
            WireRequest::Settle(spent) => tenant::serve(world, spent).boxed_local(),
            WireRequest::WorkersAi { model, input, headers, .. } => {
                let asked = model::Asked::of_binding(model, input, &headers);
                model::serve(world, asked).boxed_local()
            }
        }
    }

    fn call_tool(world: Rc<World>, job: ToolJob) -> LocalBoxFuture<'static, ToolOutcome> {
        tools::perform(world, job.order).boxed_local()
    }

    fn reconcile(world: Rc<World>, job: ToolJob) -> LocalBoxFuture<'static, Found> {
        let found = tools::reconcile(&world.outside.borrow(), &job.order);
        std::future::ready(found).boxed_local()
    }
}
