use std::{fmt, ops::Range};

use longhaul_core::TimeMs;
use serde::{
    Serialize,
    de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor},
    ser::{SerializeMap, Serializer},
};

use super::{
    counters::{Counters, Members, read},
    write::HOUR_MS,
};

/// What a model did in one bucket of the time.
#[derive(Debug, Clone, PartialEq)]
pub struct HourStats {
    /// When it begins.
    pub at: TimeMs,
    /// In it.
    pub counters: Counters,
}

impl Serialize for HourStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &self.at)?;
        self.counters.serialize_into(&mut map)?;
        map.end()
    }
}

/// The counters of a bucket of the time, which may be a new one.
pub(super) fn bucket(buckets: &mut Vec<HourStats>, at: TimeMs) -> &mut Counters {
    let place = buckets.binary_search_by_key(&at, |bucket| bucket.at).unwrap_or_else(|place| {
        buckets.insert(place, HourStats { at, counters: Counters::default() });
        place
    });
    &mut buckets[place].counters
}

/// An object of `h0` to `h23`, each a flat object of numbers, that is added to those hours of a model.
pub(super) struct Hours<'a> {
    /// The hours that have counters, in the order of the time.
    pub(super) buckets: &'a mut Vec<HourStats>,
    /// When the day begins.
    pub(super) day: TimeMs,
    /// The hours that are wanted, as times.
    pub(super) wanted: Range<TimeMs>,
}

impl Hours<'_> {
    /// Adds what a column `hours` holds; `None`, with a part of it added, when it has another shape.
    pub(super) fn add_json(self, text: &str) -> Option<()> {
        read(text, self)
    }
}

impl<'de> DeserializeSeed<'de> for Hours<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Hours<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of hours")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut hours: A) -> Result<(), A::Error> {
        while let Some(name) = hours.next_key::<&str>()? {
            let hour = name.strip_prefix('h').and_then(|hour| hour.parse::<u8>().ok());
            let hour = hour.ok_or_else(|| A::Error::custom("no hour"))?;
            let at = self.day + u64::from(hour) * HOUR_MS;
            if self.wanted.contains(&at) {
                hours.next_value_seed(Members(bucket(self.buckets, at)))?;
            } else {
                hours.next_value_seed(Members(&mut Counters::default()))?;
            }
        }
        Ok(())
    }
}
