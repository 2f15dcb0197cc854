use std::{cell::Cell, rc::Rc};

use futures::StreamExt;
use longhaul_core::{Entry, Idempotency, Input, Refusal, RequestKind, RunId, Seq, Steer};
use longhaul_host::{HostError, ImportError, Runtime};
use longhaul_world::{DiskError, Object};

use crate::{
    archive::Origin,
    clients::{Action, Verdict},
    outside::Outside,
    tools::SERVER,
    world::SimPorts,
};

/// How many pieces an import comes in.
const PIECES: usize = 3;

/// What the object does with a request, as the Durable Object has it.
pub(crate) struct Desk(pub(crate) Rc<Object<Outside>>);

type Failure = HostError<DiskError>;

/// What the caller asked for was not done, or not all of it.
pub(crate) struct NotDone;

impl Desk {
    fn runtime(&self) -> &Runtime<SimPorts> {
        self.0.runtime()
    }

    /// A request; a post's answer names its run.
    pub(crate) async fn answer(self, action: Action) -> Result<Option<RunId>, NotDone> {
        self.keep_driving()?;
        let is_empty = self.runtime().with_session(|session| session.runs().is_empty())?;
        match action {
            // There is no such session.
            Action::Steer(_) | Action::Cancel | Action::Delete | Action::Touch | Action::Decide(_)
                if is_empty =>
            {
                Ok(None)
            }
            Action::Post(post) => {
                let outside = self.runtime().ports().0.outside.borrow();
                let (offers, day) = (outside.tools.offers(), outside.tenant.day());
                let servers = outside.tools.servers();
                drop(outside);
                let mut new = post.new_run(self.runtime().deployment(), offers);
                new.settings.tenant_day = day;
                new.settings.servers = if new.models.is_empty() { servers } else { Vec::new() };
                self.submit(Input::Accept(new))
            }
            Action::Steer(note) => {
                let key = note.key.to_owned();
                let idempotency = Some(Idempotency { key: format!("steer {key}"), body: key });
                self.submit(Input::Steer(Steer {
                    message: note.text(),
                    by: "tenant".to_owned(),
                    idempotency,
                }))
            }
            Action::Cancel => {
                self.cancel()?;
                Ok(None)
            }
            Action::Decide(verdict) => {
                self.decide(verdict)?;
                self.keep_driving()?;
                Ok(None)
            }
            Action::Import(origin) => self.import(origin).await.map(|()| None),
            Action::Delete => self.delete().await.map(|()| None),
            Action::Touch | Action::Evict => Ok(None),
        }
    }

    /// A post; its answer names its run.
    fn submit(&self, input: Input) -> Result<Option<RunId>, NotDone> {
        let run = match self.runtime().submit(input) {
            Ok(records) => records.first().map(|record| record.run),
            Err(HostError::Refused(Refusal::Replayed(run))) => Some(run),
            Err(HostError::Refused(_)) => None,
            Err(_) => return Err(NotDone),
        };
        self.keep_driving()?;
        Ok(run)
    }

    /// What is imported comes piece by piece. Whoever asks again because the answer was lost finds the session there.
    async fn import(&self, origin: Origin) -> Result<(), NotDone> {
        let process = Rc::clone(&self.runtime().ports().0);
        let pieces = origin.text().as_bytes().chunks(origin.text().len() / PIECES + 1);
        let pieces = futures::stream::iter(pieces).then(move |piece| {
            let arrives = process.sleep(1);
            async move {
                arrives.await;
                Ok::<_, String>(piece.to_vec())
            }
        });
        match self.runtime().import(pieces.boxed_local()).await {
            Ok(()) | Err(ImportError::Exists) => Ok(self.keep_driving()?),
            Err(_) => Err(NotDone),
        }
    }

    async fn delete(&self) -> Result<(), NotDone> {
        let closing = self.runtime().close();
        // A storage that is full takes no cancellation either. What is erased needs none.
        self.cancel().ok();
        if self.runtime().unlist().await.is_err() {
            drop(closing);
            self.keep_driving()?;
            return Err(NotDone);
        }
        let is_cancelled = Cell::new(true);
        if self.runtime().settle(|| is_cancelled.set(self.cancel().is_ok())).await.is_err() {
            drop(closing);
            self.keep_driving()?;
            return Err(NotDone);
        }
        if !is_cancelled.get() {
            self.runtime().ports().0.outside.borrow_mut().uncancelled_erasures += 1;
        }
        // What comes after this is of the next session.
        self.note_deletion();
        if self.runtime().erase().await.is_err() {
            drop(closing);
            self.keep_driving()?;
            return Err(NotDone);
        }
        Ok(())
    }

    fn note_deletion(&self) {
        let mut outside = self.runtime().ports().0.outside.borrow_mut();
        let incarnation = outside.incarnation();
        outside.deleted.insert(incarnation);
    }

    /// Whoever decides knows the request from the journal; one that is not there is left to its expiry.
    fn decide(&self, verdict: Verdict) -> Result<(), NotDone> {
        let records = self.runtime().read(Seq(0), usize::MAX)?;
        let requests = records.iter().filter_map(|record| match record.entry {
            Entry::ApprovalRequested { call, kind, .. } => Some((call, kind.unwrap_or_default())),
            _ => None,
        });
        if let Some((call, kind)) = requests.take(verdict.nth).nth(verdict.nth - 1) {
            let decision = verdict.decision(kind);
            let (request, digest, by) = (None, None, "tenant".to_owned());
            // Somebody may let the server be used without a word about this call.
            let decided = match kind == RequestKind::Authorize && verdict.is_edited {
                true => Input::Authorized { server: SERVER.to_owned(), by },
                false => Input::Decided { call, request, decision, digest, by },
            };
            match self.runtime().submit(decided) {
                // Somebody, or the time, was first.
                Ok(_) | Err(HostError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn cancel(&self) -> Result<(), Failure> {
        self.runtime().submit(Input::Cancel { by: "tenant".to_owned() }).map(|_| ())
    }

    fn keep_driving(&self) -> Result<(), Failure> {
        self.0.keep_driving()
    }
}

impl From<Failure> for NotDone {
    fn from(_: Failure) -> Self {
        Self
    }
}
