//! What stands for the codecs that a build leaves out. Nobody can name a server of such a format; what a model of Workers AI
//! answers in one is a fault that says so.

/// A codec without code. The configuration refuses whoever would ask in its format.
macro_rules! absent {
    ($feature:literal, $module:ident) => {
        pub(crate) mod $module {
            use longhaul_core::{Fault, FaultKind, ModelRequest};
            use serde_json::Value;

            use crate::{error::fault, form::RequestForm, partial::Partial};

            pub(crate) fn body(_: &str, _: &ModelRequest<'_>, _: RequestForm) -> String {
                unreachable!("no server of this format is configured")
            }

            pub(crate) fn absorb(_: &mut Partial, _: &Value) -> Result<bool, Fault> {
                let message = concat!(
                    "the model's answer is in a format that this build leaves out: it needs the cargo feature `",
                    $feature,
                    "` of longhaul"
                );
                Err(fault(FaultKind::Malformed, message))
            }
        }
    };
}

#[cfg(any(test, not(feature = "responses")))]
absent!("responses", responses);
#[cfg(any(test, not(feature = "anthropic")))]
absent!("anthropic", messages);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::partial::Partial;

    #[test]
    fn an_answer_in_a_format_that_is_left_out_names_the_feature() {
        let answers = [
            (responses::absorb(&mut Partial::default(), &json!({})), "`responses`"),
            (messages::absorb(&mut Partial::default(), &json!({})), "`anthropic`"),
        ];
        for (answer, feature) in answers {
            let fault = answer.unwrap_err();
            assert!(fault.message.contains(feature), "{}", fault.message);
        }
    }
}
