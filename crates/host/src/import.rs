use std::fmt::Display;

use futures::{Stream, StreamExt};
use longhaul_core::{
    Entry, Exporter, Importer, Life, Moment, ReplayError, Seq, Unfit, decode_row,
    limits::{IMPORT_BYTES_MAX, IMPORT_LINE_BYTES_MAX},
};
use thiserror::Error;

use crate::{memory::HostError, ports::Ports, runtime::Runtime};

/// Why an import is not taken. Nothing of it is kept.
#[derive(Debug, Error)]
pub enum ImportError<E: std::error::Error + 'static> {
    /// The caller must choose another name, or erase what is there.
    #[error("the id is taken")]
    Exists,
    /// The caller must send less.
    #[error("the body is too large")]
    TooLarge,
    /// The body did not come whole: the caller sends it again.
    #[error("the body broke off: {0}")]
    BrokeOff(String),
    /// The caller must send what an export gave.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The storage failed.
    #[error(transparent)]
    Host(#[from] HostError<E>),
}

/// Where an export is.
#[derive(Debug)]
pub struct Export {
    exporter: Exporter,
    life: Option<Life>,
    next: Seq,
    /// What comes later is not in it.
    last: Seq,
}

/// A session's journal goes out as a text, and comes in as one.
impl<P: Ports> Runtime<P> {
    /// Begins an export of the session as it is now.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn export(&self) -> Result<Export, HostError<P::Error>> {
        self.with_session(|session| {
            let exporter = Exporter::new(&self.deployment.session, session);
            Export { exporter, life: session.life(), next: Seq(1), last: session.head() }
        })
    }

    /// The next rows of an export, as many as make `bytes`, and where it is then; `None` after its end.
    ///
    /// # Errors
    /// When the journal cannot be read, or what is exported is not there any more.
    pub fn export_more(
        &self,
        mut export: Export,
        bytes: usize,
    ) -> Result<(String, Option<Export>), HostError<P::Error>> {
        let mut text = export.exporter.take_text();
        while text.len() < bytes {
            if export.next > export.last {
                text.push_str(&export.exporter.end());
                return Ok((text, None));
            }
            let begun = export.next;
            let is_same = self.with_session(|session| session.life() == export.life)?;
            if is_same && let Some(row) = self.ports.row(begun).map_err(HostError::Storage)? {
                self.export_row(&mut export, &row)?;
            }
            if export.next == begun {
                return Err(ReplayError::Gap { head: begun, found: Seq(0) }.into());
            }
            text.push_str(&export.exporter.take_text());
        }
        Ok((text, Some(export)))
    }

    fn export_row(&self, export: &mut Export, row: &str) -> Result<(), HostError<P::Error>> {
        export.exporter.row(export.next, row);
        for record in decode_row(export.next, row).unwrap_or_default() {
            export.next = record.seq.next();
            if let Entry::ToolAnswered { call, result_digest: Some(_), .. } = record.entry
                && let Some(json) = self.result(call)?
            {
                export.exporter.result(call, &json);
            }
        }
        Ok(())
    }

    /// Makes a session of an export, whole or not at all: what comes is checked line by line, and kept aside until all of
    /// it is there.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn import<E: Display>(
        &self,
        mut chunks: impl Stream<Item = Result<Vec<u8>, E>> + Unpin,
    ) -> Result<(), ImportError<P::Error>> {
        self.check_free()?;
        let number = self.imports.get() + 1;
        self.imports.set(number);
        self.ports.forget_aside().map_err(HostError::Storage)?;
        self.arm_for_import();
        let mut importer = Importer::new(Moment { now: self.ports.now(), seed: self.ports.seed() });
        let (mut bytes, mut rest) = (0, Vec::new());
        let taken = loop {
            let chunk = match chunks.next().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => break Err(ImportError::BrokeOff(error.to_string())),
                None => break self.end_import(importer, &rest, number),
            };
            bytes += chunk.len();
            if bytes > IMPORT_BYTES_MAX {
                break Err(ImportError::TooLarge);
            }
            // Another one of this name has begun, and has the place.
            if self.imports.get() != number {
                return Err(ImportError::Exists);
            }
            let searched = rest.len();
            rest.extend_from_slice(&chunk);
            if let Err(error) = self.take_lines(&mut importer, &mut rest, searched) {
                break Err(error);
            }
        };
        if taken.is_err() && self.imports.get() == number {
            self.forget_abandoned();
        }
        taken
    }

    /// Forgets what an import has kept aside of which nothing became.
    pub(crate) fn forget_abandoned(&self) {
        if let Err(error) = self.ports.forget_aside() {
            tracing::warn!(session = self.deployment.session, %error, "what an import left is still there");
        }
    }

    fn check_free(&self) -> Result<(), ImportError<P::Error>> {
        let is_free = self.with_session(|session| session.runs().is_empty())?;
        if is_free { Ok(()) } else { Err(ImportError::Exists) }
    }

    /// Takes the whole lines, and leaves what has no end yet. No line ends before `searched`.
    fn take_lines(
        &self,
        importer: &mut Importer,
        rest: &mut Vec<u8>,
        mut searched: usize,
    ) -> Result<(), ImportError<P::Error>> {
        let mut from = 0;
        while let Some(length) = rest[searched..].iter().position(|byte| *byte == b'\n') {
            let end = searched + length;
            self.take_line(importer, &rest[from..end])?;
            from = end + 1;
            searched = from;
        }
        rest.drain(..from);
        if rest.len() > IMPORT_LINE_BYTES_MAX {
            return Err(importer.unfit("the line is too long").into());
        }
        Ok(())
    }

    fn take_line(&self, importer: &mut Importer, line: &[u8]) -> Result<(), ImportError<P::Error>> {
        let line = std::str::from_utf8(line).map_err(|_| importer.unfit("it is not UTF-8"))?;
        if let Some(piece) = importer.take(line)? {
            self.ports.set_aside(&piece).map_err(HostError::Storage)?;
        }
        Ok(())
    }

    /// All of this is one turn: whoever looks sees no session, or the whole one.
    fn end_import(
        &self,
        mut importer: Importer,
        rest: &[u8],
        number: u64,
    ) -> Result<(), ImportError<P::Error>> {
        if self.imports.get() != number {
            return Err(ImportError::Exists);
        }
        if !rest.is_empty() {
            self.take_line(&mut importer, rest)?;
        }
        let pieces = importer.finish()?;
        self.check_free()?;
        for piece in pieces {
            self.ports.set_aside(&piece).map_err(HostError::Storage)?;
        }
        // Before anything is due: what comes of the journal must not wait for a reader.
        self.arm_for_trouble();
        let adopted = self.ports.adopt().map_err(HostError::Storage);
        // Whether it failed or not, the journal says what there is.
        self.begin_anew()?;
        Ok(adopted?)
    }
}
