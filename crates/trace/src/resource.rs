use crate::{
    config::{ConfigError, ConfigErrors, set},
    list,
    span::Attribute,
};

/// The `service.name` of a deployment that says nothing else.
const SERVICE_NAME_DEFAULT: &str = "longhaul";

const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// What a deployment says of itself in its traces.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// The attribute `service.name`.
    pub service_name: String,
    /// All others.
    pub attributes: Vec<Attribute>,
}

impl Default for Resource {
    fn default() -> Self {
        Self { service_name: SERVICE_NAME_DEFAULT.to_owned(), attributes: Vec::new() }
    }
}

impl Resource {
    /// Reads `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` through `lookup`. The first wins over a
    /// `service.name` in the second.
    ///
    /// # Errors
    /// When `OTEL_RESOURCE_ATTRIBUTES` is no list of `k=v`.
    pub fn parse(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut resource = Self::default();
        let pairs = list::parse(&set(lookup, RESOURCE_ATTRIBUTES).unwrap_or_default())
            .map_err(|problem| ConfigErrors(vec![ConfigError { variable: RESOURCE_ATTRIBUTES, problem }]))?;
        for (key, value) in pairs {
            if key == "service.name" {
                resource.service_name = value;
            } else {
                resource.attributes.retain(|earlier| earlier.key != key);
                resource.attributes.push(Attribute::new(key, value));
            }
        }
        if let Some(name) = set(lookup, SERVICE_NAME) {
            resource.service_name = name;
        }
        Ok(resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(vars: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_service_name_wins_over_the_resource_attribute() {
        let resource = |vars: &[(&str, &str)]| Resource::parse(&lookup(vars)).unwrap();
        assert_eq!(resource(&[]), Resource::default());
        let attributes = (RESOURCE_ATTRIBUTES, "service.name=one,deployment.environment.name=a%2Cb,a=1,a=2");
        let read = resource(&[attributes]);
        assert_eq!(read.service_name, "one");
        let expected = [("deployment.environment.name", "a,b"), ("a", "2")];
        assert_eq!(read.attributes, expected.map(|(key, value)| Attribute::new(key, value)));
        assert_eq!(resource(&[attributes, (SERVICE_NAME, "two")]).service_name, "two");
        let errors = Resource::parse(&lookup(&[(RESOURCE_ATTRIBUTES, "x")])).unwrap_err();
        let variables: Vec<_> = errors.0.iter().map(|error| error.variable).collect();
        assert_eq!(variables, [RESOURCE_ATTRIBUTES]);
    }
}
