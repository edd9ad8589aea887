//! What each command does once a session is there; a file for each group of them.

mod acl;
mod config;
mod format;
mod quota;
mod read;
mod watch;
mod write;

pub(crate) use format::base64;

use super::client::Client;
use super::failure::{AtPath, Failure};
use super::options::Parsed;
use super::output::Output;
use super::verbs::Verb;

/// What a command works with.
pub struct Context<'a> {
    /// The session.
    pub client: &'a Client,
    /// Where to print.
    pub out: &'a mut Output,
    /// The command itself, for its usage.
    pub verb: &'static Verb,
}

impl Context<'_> {
    fn usage(&self) -> Failure {
        Failure::new(self.verb.usage())
    }

    /// The word at a place, which must be there.
    fn word<'p>(&self, parsed: &'p Parsed, at: usize) -> Result<&'p str, Failure> {
        parsed.word(at).ok_or_else(|| self.usage())
    }

    /// The number behind an option; `otherwise` when the option was not given.
    fn number<T: std::str::FromStr>(
        &self,
        parsed: &Parsed,
        option: &str,
        otherwise: T,
    ) -> Result<T, Failure> {
        match parsed.value(option) {
            None => Ok(otherwise),
            Some(text) => text
                .parse()
                .map_err(|_| Failure::new(format!("-{option} argument must be a number: {text}"))),
        }
    }
}

/// Does a command that needs a session.
///
/// # Errors
/// What is printed instead of a result.
pub async fn run(cx: &mut Context<'_>, parsed: Parsed) -> Result<(), Failure> {
    match cx.verb.name {
        "addWatch" => watch::add_watch(cx, &parsed).await,
        "addauth" => acl::add_auth(cx, &parsed).await,
        "config" => config::config(cx, &parsed).await,
        "create" => write::create(cx, &parsed).await,
        "delete" => write::delete(cx, parsed).await,
        "deleteall" => write::delete_all(cx, &parsed).await,
        "delquota" => quota::delete(cx, &parsed).await,
        "get" => read::get(cx, parsed).await,
        "getAcl" => acl::get_acl(cx, &parsed).await,
        "getAllChildrenNumber" => read::all_children_number(cx, &parsed).await,
        "getEphemerals" => read::ephemerals(cx, &parsed).await,
        "listquota" => quota::list(cx, &parsed).await,
        "ls" => read::ls(cx, parsed).await,
        "reconfig" => config::reconfig(cx, &parsed).await,
        "removewatches" => watch::remove_watches(cx, &parsed).await,
        "set" => write::set(cx, parsed).await,
        "setAcl" => acl::set_acl(cx, &parsed).await,
        "setquota" => quota::set(cx, &parsed).await,
        "stat" => read::stat(cx, parsed).await,
        "sync" => sync(cx, &parsed).await,
        "whoami" => acl::who_am_i(cx).await,
        _ => Err(cx.usage()),
    }
}

async fn sync(cx: &mut Context<'_>, parsed: &Parsed) -> Result<(), Failure> {
    let path = cx.word(parsed, 0)?;
    cx.client.sync(path).await.at(path)?;
    cx.out.line("Sync is OK");
    cx.out.field("path", path);
    Ok(())
}
