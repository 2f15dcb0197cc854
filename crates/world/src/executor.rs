use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use futures::future::LocalBoxFuture;

/// What a task is to the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Given to `wait_until`.
    Background,
    /// The alarm's handler.
    Alarm,
    /// A caller waits for it.
    Request,
}

/// The tasks of one life, polled by hand in the order in which they were made.
#[derive(Default)]
pub(crate) struct Tasks {
    tasks: Vec<Task>,
}

struct Task {
    role: Role,
    future: LocalBoxFuture<'static, ()>,
    flag: Arc<Flag>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What one poll came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// No task can go on before time passes.
    Stalled,
    /// A task went on and waits again.
    Pending,
    /// A task is over.
    Finished(Role),
}

impl Tasks {
    pub(crate) fn spawn(&mut self, role: Role, future: LocalBoxFuture<'static, ()>) {
        self.tasks.push(Task { role, future, flag: Arc::new(Flag(AtomicBool::new(true))) });
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.tasks.iter().any(|task| task.role == role)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Polls the first task that was woken, once: a turn.
    pub(crate) fn poll_one(&mut self) -> Polled {
        let woken = self.tasks.iter().position(|task| task.flag.0.swap(false, Ordering::Relaxed));
        let Some(index) = woken else { return Polled::Stalled };
        let task = &mut self.tasks[index];
        let waker = Waker::from(Arc::clone(&task.flag));
        if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            return Polled::Pending;
        }
        Polled::Finished(self.tasks.remove(index).role)
    }

    /// Drops all of them, as the end of a process does.
    pub(crate) fn clear(&mut self) {
        self.tasks.clear();
    }
}
