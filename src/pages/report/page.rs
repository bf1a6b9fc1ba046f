//! The page: its sections in their order.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use super::hue::{self, EVERYTHING, Hue, REJECTED};
use super::kind;
use super::quantity::{counted, duration, zoned_time};
use crate::clock;
use crate::entity::Kind;
use crate::pages::status::Problem;

const STYLE: &str = include_str!("page.css");

/// The page loads and runs nothing; only its own style applies.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut hues: Vec<Hue> = Kind::ALL.iter().map(|kind| kind::hue(*kind)).collect();
    hues.extend([EVERYTHING, REJECTED]);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (report.server.short()) " – warehouse report" }
                style { (PreEscaped(STYLE)) (PreEscaped(hue::rules(&hues))) }
            }
            body { (main(report)) }
        }
    };
    page.into_string()
}

fn main(report: &Report) -> Markup {
    let took = (clock::now() - report.read_at).as_seconds_f64();
    html! {
        main {
            h1 { "Warehouse report" }
            p.note { (report.server) }
            p.note { "As of " strong { (zoned_time(report.read_at)) } }
            (health(&report.health.problems))
            (report.totals)
            (report.freshness.section(&report.health.progress, report.read_at))
            (report.volume.section(&report.spans))
            (report.rejections.section(&report.spans))
            (report.runs.section(&report.spans))
            (report.active_cards.section())
            (report.lateness.section())
            (report.versions.section())
            footer {
                "Written by etl " (env!("CARGO_PKG_VERSION")) " in " (duration(took)) ". Health and "
                "freshness were read first, then all the rest from one snapshot. Times are UTC."
            }
        }
    }
}

/// The problems with advice, or that there are none.
fn health(problems: &[Problem]) -> Markup {
    html! {
        @if problems.is_empty() {
            p.health { strong { "✓ Healthy" } " – no problem is known" }
        } @else {
            div.health.ill {
                p { strong { "⚠ " (counted(problems.len() as i64, "problem")) } }
                ul {
                    @for problem in problems {
                        li { strong { (problem) } ": " (problem.advice()) }
                    }
                }
            }
        }
    }
}
