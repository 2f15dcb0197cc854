//! The platform's edges: alarms that are delivered again, late, twice or for nothing, handlers that may last a quarter
//! of an hour, and journals that another version wrote.

#[cfg(test)]
mod journals;
#[cfg(test)]
mod overlaps;
#[cfg(test)]
mod platform;
#[cfg(test)]
mod quarter_hour;
#[cfg(test)]
mod retries;
