//! A Durable Object by hand, in JavaScript: `peers/object`.

use anyhow::Result;
use futures::future::BoxFuture;

use super::{Contestant, Installed, Place, Setting, Started, Stored, bundle, workerd};

pub(crate) struct Object;

impl Contestant for Object {
    fn name(&self) -> &'static str {
        "object"
    }

    fn about(&self) -> &'static str {
        "a bare JavaScript Durable Object: the calls and the rows, nothing else; it does not recover"
    }

    fn install<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<Installed>> {
        Box::pin(async move {
            let module = bundle(place, "object", "index").await?;
            Ok(Installed { version: "by hand".to_owned(), upload: vec![module] })
        })
    }

    fn start<'a>(&'a self, setting: &'a Setting) -> BoxFuture<'a, Result<Started>> {
        let module = setting.place.installed.join("index/index.js");
        Box::pin(async move {
            let worker =
                workerd::Worker { modules: vec![("index.js", module)], variables: vec![], node: false };
            worker.start(setting).await
        })
    }

    fn resumes(&self) -> bool {
        false
    }

    fn stored<'a>(&'a self, setting: &'a Setting, at: &'a Started) -> BoxFuture<'a, Result<Option<Stored>>> {
        workerd::stored(setting, at)
    }
}
