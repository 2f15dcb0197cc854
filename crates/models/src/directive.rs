//! The line of a task that tells the scripted model what to play.

use std::collections::BTreeSet;

/// Words of one scripted answer.
pub(crate) const WORDS_MAX: u32 = 10_000;
/// A scripted wait, in milliseconds: ten minutes.
pub(crate) const WAIT_MS_MAX: u32 = 600_000;
/// A turn, and how often its fault repeats.
const COUNT_MAX: u32 = 1_000;
/// Faults in one directive.
const FAULTS_MAX: usize = 64;

const MARK: &str = "#scripted";

/// What a task asks of the scripted model; what it does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) turns: Option<u32>,
    pub(crate) never_done: bool,
    pub(crate) words: Option<u32>,
    pub(crate) latency_ms: u32,
    pub(crate) chunk_ms: u32,
    /// So many answers ask for tools first, where the request offers some.
    pub(crate) tools: u32,
    faults: Vec<ScriptedFault>,
}

/// What goes wrong instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultWord {
    ServerError,
    RateLimited,
    Refused,
    Empty,
    Truncated,
    Timeout,
    Panic,
    Abort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ScriptedFault {
    word: FaultWord,
    turn: u32,
    times: u32,
}

impl Directive {
    /// Reads the first line of the task that starts with `#scripted`. The error names every key at fault.
    pub(crate) fn of_task(task: &str) -> Result<Self, String> {
        let Some(line) = task.lines().find_map(settings) else { return Ok(Self::default()) };
        let mut directive = Self::default();
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for setting in line.split_whitespace() {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            if !seen.insert(key) {
                faults.push(format!("`{key}` comes twice"));
            } else if let Err(fault) = directive.set(key, value) {
                faults.push(fault);
            }
        }
        if faults.is_empty() { Ok(directive) } else { Err(format!("{MARK}: {}", faults.join("; "))) }
    }

    /// The fault of this turn at this attempt, if one is scripted. Of several for one turn the first takes the first
    /// attempts, the next those after them.
    pub(crate) fn fault_at(&self, turn: u32, attempt: u32) -> Option<FaultWord> {
        let mut before = attempt.saturating_sub(1);
        for fault in self.faults.iter().filter(|fault| fault.turn == turn) {
            if before < fault.times {
                return Some(fault.word);
            }
            before -= fault.times;
        }
        None
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "turns" => self.turns = Some(number(key, value, 1, COUNT_MAX)?),
            "words" => self.words = Some(number(key, value, 1, WORDS_MAX)?),
            "latency_ms" => self.latency_ms = number(key, value, 0, WAIT_MS_MAX)?,
            "chunk_ms" => self.chunk_ms = number(key, value, 0, WAIT_MS_MAX)?,
            "tools" => self.tools = number(key, value, 0, COUNT_MAX)?,
            "done" => {
                self.never_done = match value {
                    "yes" => false,
                    "never" => true,
                    _ => return Err("`done` is `yes` or `never`".to_owned()),
                }
            }
            "fault" => self.faults = faults(value)?,
            _ => {
                return Err(format!(
                    "`{key}` is unknown (turns, done, words, latency_ms, chunk_ms, tools, fault)"
                ));
            }
        }
        Ok(())
    }
}

/// The task without its directive.
pub(crate) fn plain_task(task: &str) -> String {
    let mut found = false;
    let is_plain = |line: &&str| found || settings(line).inspect(|_| found = true).is_none();
    task.split_inclusive('\n').filter(is_plain).collect::<String>().trim().to_owned()
}

/// What follows `#scripted` on its line.
fn settings(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix(MARK)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some(rest)
}

fn number(key: &str, value: &str, min: u32, max: u32) -> Result<u32, String> {
    value
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("`{key}` is a number from {min} to {max}"))
}

/// `500@2x3,empty@4`: at turn 2 the first three attempts, at turn 4 the first one.
fn faults(value: &str) -> Result<Vec<ScriptedFault>, String> {
    let faults: Option<Vec<ScriptedFault>> = value.split(',').take(FAULTS_MAX + 1).map(fault).collect();
    faults.filter(|faults| faults.len() <= FAULTS_MAX).ok_or_else(|| {
        "`fault` is KIND@TURN or KIND@TURNxTIMES (500, 429, 400, empty, truncated, timeout, panic, abort)"
            .to_owned()
    })
}

fn fault(text: &str) -> Option<ScriptedFault> {
    let (word, place) = text.split_once('@')?;
    let (turn, times) = place.split_once('x').unwrap_or((place, "1"));
    let word = match word {
        "500" => FaultWord::ServerError,
        "429" => FaultWord::RateLimited,
        "400" => FaultWord::Refused,
        "empty" => FaultWord::Empty,
        "truncated" => FaultWord::Truncated,
        "timeout" => FaultWord::Timeout,
        "panic" => FaultWord::Panic,
        "abort" => FaultWord::Abort,
        _ => return None,
    };
    Some(ScriptedFault {
        word,
        turn: number("", turn, 1, COUNT_MAX).ok()?,
        times: number("", times, 1, COUNT_MAX).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_without_a_directive_asks_for_nothing() {
        for task in ["", "Write a haiku.", "#scriptedly", "about #scripted turns=1", "# scripted"] {
            assert_eq!(Directive::of_task(task), Ok(Directive::default()), "{task:?}");
        }
    }

    #[test]
    fn every_setting_is_read_from_the_first_line_that_has_the_mark() {
        let task = "Write.\n  #scripted turns=4 done=never\twords=7 latency_ms=0 chunk_ms=20 tools=2 fault=500@2x3,empty@4\r\n#scripted turns=1";
        let directive = Directive::of_task(task).unwrap();
        assert_eq!((directive.turns, directive.never_done, directive.words), (Some(4), true, Some(7)));
        assert_eq!((directive.latency_ms, directive.chunk_ms, directive.tools), (0, 20, 2));
        assert_eq!(Directive::of_task("#scripted"), Ok(Directive::default()));
    }

    #[test]
    fn a_fault_takes_the_first_attempts_of_its_turn() {
        let directive = Directive::of_task("#scripted fault=500@2x2,429@2,abort@3").unwrap();
        let table = [
            (1, 1, None),
            (2, 1, Some(FaultWord::ServerError)),
            (2, 2, Some(FaultWord::ServerError)),
            (2, 3, Some(FaultWord::RateLimited)),
            (2, 4, None),
            (3, 1, Some(FaultWord::Abort)),
            (3, 2, None),
        ];
        for (turn, attempt, fault) in table {
            assert_eq!(directive.fault_at(turn, attempt), fault, "{turn}, {attempt}");
        }
    }

    #[test]
    fn every_key_at_fault_is_named() {
        let task = "#scripted turns=0 speed=9 done=maybe words=many chunk_ms=-1 fault=500 turns=2";
        let error = Directive::of_task(task).unwrap_err();
        for key in [
            "`turns` is",
            "`speed` is",
            "`done` is",
            "`words` is",
            "`chunk_ms` is",
            "`fault` is",
            "`turns` comes",
        ] {
            assert!(error.contains(key), "{key}: {error}");
        }
        for fault in [
            "fault=",
            "fault=500@0",
            "fault=500@1x0",
            "fault=teapot@1",
            "fault=500@1,",
            "fault=500@1x",
            "fault=500@a",
        ] {
            assert!(Directive::of_task(&format!("#scripted {fault}")).is_err(), "{fault}");
        }
        assert!(Directive::of_task("#scripted words").is_err());
    }

    #[test]
    fn the_plain_task_has_no_directive() {
        assert_eq!(plain_task("a\n#scripted turns=1\nb\n#scripted x"), "a\nb\n#scripted x");
        assert_eq!(plain_task("#scripted"), "");
    }
}
