//! What every drawing must hold to, whatever the machine: checked on hand-picked machines, and on random ones
//! from fixed seeds. Nothing here pins a coordinate.

mod machines;
mod random;
mod sound;

use asl::Definition;
use asl::definition::StateId;

use super::picture::Symbol;
use super::scene::{Placed, Scene, Shape};
use super::{Overlay, Status, describe, dot, draw, mermaid, svg, words};
use sound::assert_sound;

fn definition(text: &str) -> Definition {
    asl::parse::parse(text).unwrap_or_else(|found| panic!("{found:?}\n{text}")).definition
}

fn id(definition: &Definition, name: &str) -> StateId {
    definition.states.iter().find(|state| &*state.name == name).map(|state| state.id).expect(name)
}

fn placed<'a, 'b>(scene: &'b Scene<'a>, name: &str) -> &'b Placed<'a> {
    let find = |shape: &'b Shape<'a>| match shape {
        Shape::Node(placed) if placed.node.name == name => Some(placed),
        _ => None,
    };
    scene.shapes.iter().find_map(find).expect(name)
}

#[test]
fn hand_picked_machines_are_drawn_soundly() {
    for (name, text) in machines::ALL {
        let definition = definition(text);
        let picture = describe::picture(&definition, &Overlay::default());
        let scene = Scene::of(&picture);
        assert_sound(name, &scene);
        let states = |shape: &&Shape| matches!(shape, Shape::Node(placed) if !is_terminal(placed));
        assert_eq!(scene.shapes.iter().filter(states).count(), definition.states.len(), "{name}: every state once");
    }
}

fn is_terminal(placed: &Placed) -> bool {
    matches!(placed.node.symbol, Symbol::Start | Symbol::End)
}

#[test]
fn random_machines_are_drawn_soundly() {
    for seed in 0..300 {
        let picture = random::picture(seed);
        assert_sound(&format!("seed {seed}"), &Scene::of(&picture));
    }
}

#[test]
fn the_saga_has_a_straight_happy_path_and_compensations_that_step_down() {
    let definition = definition(machines::TRAVEL);
    let picture = describe::picture(&definition, &Overlay::default());
    let scene = Scene::of(&picture);
    let forward = [
        "Start",
        "ReserveHotel",
        "ReserveFlight",
        "TakePayment",
        "ConfirmHotelBooking",
        "ConfirmFlight",
        "Booked",
        "End",
    ];
    let middles: Vec<_> = forward.iter().map(|name| placed(&scene, name).rect.middle()).collect();
    assert!(middles.windows(2).all(|pair| pair[0].x == pair[1].x && pair[0].y < pair[1].y), "{middles:?}");
    let right_of_forward = forward.iter().map(|name| placed(&scene, name).rect.right()).fold(0.0, f64::max);
    let back = ["RefundPayment", "CancelFlight", "CancelHotel"];
    let rects: Vec<_> = back.iter().map(|name| placed(&scene, name).rect).collect();
    assert!(rects.iter().all(|rect| rect.x > right_of_forward), "{rects:?}");
    assert!(rects.windows(2).all(|pair| pair[0].x < pair[1].x && pair[0].bottom() < pair[1].y), "{rects:?}");
    assert_eq!(sound::crossings(&scene), 0);
}

#[test]
fn equal_input_gives_equal_bytes() {
    for (name, text) in machines::ALL {
        let draw = || super::draw(&definition(text), &Overlay::default()).svg();
        assert_eq!(draw(), draw(), "{name}");
    }
}

#[test]
fn an_execution_is_painted_over_the_machine() {
    let definition = definition(machines::TRAVEL);
    let mut overlay = Overlay::default();
    for (name, status, attempts) in [
        ("ReserveHotel", Status::Compensated, 1),
        ("ReserveFlight", Status::Caught, 1),
        ("CancelFlight", Status::Succeeded, 3),
        ("CancelHotel", Status::InProgress, 1),
    ] {
        overlay.mark(id(&definition, name), status, attempts);
    }
    overlay.take(id(&definition, "ReserveFlight"), id(&definition, "CancelFlight"));
    let svg = draw(&definition, &overlay).svg();
    for (status, states) in [("compensated", 1), ("caught", 1), ("succeeded", 1), ("in-progress", 1), ("none", 6)] {
        assert_eq!(svg.matches(&format!("data-status=\"{status}\"")).count(), states, "{status}");
    }
    assert_eq!(svg.matches("class=\"edge catch taken\"").count(), 1);
    // From Start, since the first state was entered; nothing has ended.
    assert_eq!(svg.matches("class=\"edge next taken\"").count(), 1);
    assert_eq!(svg.matches(">3 attempts<").count(), 1);
    assert!(!svg.contains(">1 attempts<"));
}

#[test]
fn names_cannot_break_out() {
    let name = r#"a\"b</text><script>alert(1)</script>&'`#;]"#;
    let text =
        format!(r#"{{"StartAt":"{name}","States":{{"{name}":{{"Type":"Pass","Comment":"x\u0001y","End":true}}}}}}"#);
    let definition = definition(&text);
    let svg = draw(&definition, &Overlay::default()).svg();
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"), "{svg}");
    assert!(!svg.contains('\u{1}'));
    let chart = mermaid(&definition);
    assert!(
        chart
            .lines()
            .any(|line| line.trim()
                == "s2[\"a#34;b#60;/text#62;#60;script#62;alert(1)#60;/script#62;#38;'#96;#35;#59;]\"]"),
        "{chart}"
    );
    assert!(dot(&definition).contains(r#"[label="a\"b</text>"#));
}

#[test]
fn text_formats_hold_every_state_and_line() {
    for (name, text) in machines::ALL {
        let definition = definition(text);
        let edges = asl::graph::Graph::of(&definition);
        let blocks = definition.blocks.len();
        let ends = edges.nodes.iter().filter(|node| node.end).count();
        let (chart, graph) = (mermaid(&definition), dot(&definition));
        let lines = |text: &str, arrows: [&str; 2]| {
            text.lines().filter(|line| arrows.iter().any(|arrow| line.contains(arrow))).count()
        };
        // Lines of one kind to one target are drawn as one; none of these machines has more than that.
        let expected = edges.edges.len() + blocks + ends;
        assert_eq!(
            lines(&chart, [" --> ", " -.-> "]) + lines(&chart, [" -->|", " -.->|"]),
            expected,
            "{name}\n{chart}"
        );
        assert_eq!(lines(&graph, [" -> ", " -> "]), expected, "{name}\n{graph}");
        for state in &definition.states {
            assert!(chart.contains(&*state.name) && graph.contains(&*state.name), "{name}: {}", state.name);
        }
    }
}

#[test]
fn a_thousand_states_do_not_hang() {
    // One common handler: the lines to it share one bus.
    let picture = random::saga(998, 1);
    assert_eq!(svg::svg(&picture, &svg::Place::File).matches("data-state=").count(), 999);
    // A compensation for each step: a quarter of a million bends if all lines were drawn.
    let picture = random::saga(500, 500);
    let scene = Scene::within(&picture, 20_000);
    let lines = scene.shapes.iter().filter(|shape| matches!(shape, Shape::Line(_))).count();
    let told: usize =
        scene.shapes.iter().map(|shape| if let Shape::Node(p) = shape { p.elsewhere.len() } else { 0 }).sum();
    assert!(told > 0 && lines + told == picture.root.edges.len(), "{lines} drawn, {told} told");
}

#[test]
fn long_names_are_broken_and_shortened() {
    let check = |text: &str, room: f64, expected: &[&str]| {
        assert_eq!(words::wrap(text, 10.0, room, 2), expected, "{text}");
    };
    check("short", 100.0, &["short"]);
    check("We have made your booking", 100.0, &["We have made", "your booking"]);
    check("CancelFlightReservation", 100.0, &["CancelFlight", "Reservation"]);
    check("cancel_flight_reservation", 100.0, &["cancel_flight_", "reservation"]);
    check("onewordwithnoplacetobreak", 60.0, &["onewordwi", "thnoplace…"]);
    assert_eq!(words::shorten_front("CloudFormation.NameExists", 10.0, 100.0), "…NameExists");
    assert_eq!(words::shorten_front("$.order.status == \"SENT\"", 10.0, 100.0), "…tatus == \"SENT\"");
    check("予約を取り消す状態の名前", 60.0, &["予約を取り", "消す状態の…"]);
}
