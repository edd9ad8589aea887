//! When servers may be restarted.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When servers that work may be restarted, with a new spec or because a person asked for it. Servers that do
/// not work are restarted at any time, and other changes go on at any time.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Updates {
    /// Whether no server that works is restarted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,

    /// When servers that work may be restarted; any time if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub windows: Vec<Window>,
}

/// A time of the week, in UTC.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The days on which it begins; every day if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub days: Vec<Day>,

    /// When it begins, hours and minutes, e.g. `02:30`.
    #[schemars(length(max = 5))]
    #[x_kube(
        validation = Rule::new("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')").message(
            "start must be a time from 00:00 to 23:59 UTC: write for example 02:30"
        )
    )]
    pub start: String,

    /// How long it lasts, e.g. `2h`; it may go on on the next day.
    #[schemars(
        length(min = 2, max = 16),
        regex(pattern = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$")
    )]
    #[x_kube(
        validation = Rule::new(
            "duration(self) >= duration('10m') && duration(self) <= duration('24h')"
        ).message(
            "duration must be from 10m to 24h: a restart takes a minute for each server; write for \
             example 2h"
        )
    )]
    pub duration: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Day {
    /// The first one.
    Monday,
    /// The second one.
    Tuesday,
    /// The third one.
    Wednesday,
    /// The fourth one.
    Thursday,
    /// The fifth one.
    Friday,
    /// The sixth one.
    Saturday,
    /// The seventh one.
    Sunday,
}
