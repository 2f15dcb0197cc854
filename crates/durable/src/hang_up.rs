use std::cell::Cell;

/// Aborts a request when it is dropped, unless it was disarmed.
pub(crate) struct HangUp {
    controller: web_sys::AbortController,
    is_armed: Cell<bool>,
}

impl Default for HangUp {
    fn default() -> Self {
        let controller = web_sys::AbortController::new().expect("the platform has AbortController");
        Self { controller, is_armed: Cell::new(true) }
    }
}

impl HangUp {
    /// The answer is whole: there is nothing to abort.
    pub(crate) fn disarm(&self) {
        self.is_armed.set(false);
    }

    /// The signal as JavaScript has it.
    pub(crate) fn signal(&self) -> web_sys::AbortSignal {
        self.controller.signal()
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        if self.is_armed.get() {
            self.controller.abort();
        }
    }
}
