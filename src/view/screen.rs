//! The screen: the scenes of all cages, what the keys have chosen, and the picture.

use std::collections::BTreeMap;
use std::time::Duration;

use ratatui::Frame as Canvas;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;

use super::layout::Layout;
use super::scene::Scene;
use super::text::{LINE_CHARS_MAX, clean, name};
use super::theme::Theme;
use super::{Counts, Journal, ScoredCell, Settings, State, Truth, arena, header, help, panels, raster};
use crate::keys::{CAGES_MAX, CageName};
use crate::output::event::Event;
use crate::poses::Frame;
use crate::stream::StreamDescription;

/// Delays that are told apart.
const DELAYS_MAX: usize = 16;

/// Everything that is shown.
#[derive(Clone, Debug)]
pub struct Screen {
    pub(super) theme: Theme,
    pub(super) model: String,
    pub(super) note: String,
    pub(super) journal: Journal,
    cages: BTreeMap<CageName, Scene>,
    shown: Option<CageName>,
    /// The shown cage as it was when the picture was paused.
    paused: Option<Box<Scene>>,
    /// Ascending, in ticks.
    delays: Vec<u32>,
    /// What `d` has chosen; the longest before that.
    delay: Option<u32>,
    help: Option<u16>,
}

/// What a key asks of the program around the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: the key meant nothing here.
    None,
    /// The picture has changed.
    Redraw,
    Quit,
}

/// All that a panel needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    pub(super) screen: &'a Screen,
    pub(super) scene: &'a Scene,
    pub(super) theme: Theme,
    pub(super) now: Duration,
    /// The delay that is shown and the shortest one, in ticks.
    pub(super) delay: u32,
    pub(super) fast: u32,
}

impl Screen {
    pub fn new(settings: &Settings) -> Self {
        let mut delays: Vec<u32> = settings.delays.iter().map(|delay| delay.0).take(DELAYS_MAX).collect();
        delays.sort_unstable();
        delays.dedup();
        Self {
            theme: Theme { colour: settings.colour },
            model: name(&settings.model),
            note: clean(&settings.note, LINE_CHARS_MAX),
            journal: Journal::default(),
            cages: BTreeMap::new(),
            shown: None,
            paused: None,
            delays,
            delay: None,
            help: None,
        }
    }

    /// Skeleton, names, scale and origin of a cage: before its frames.
    pub fn describe(&mut self, cage: &CageName, stream: &StreamDescription) {
        self.with(cage, |scene| scene.describe(stream));
    }

    /// A frame of a cage, in the units of its stream. It is left out where it does not fit the description.
    pub fn frame(&mut self, cage: &CageName, frame: &Frame, now: Duration) {
        self.with(cage, |scene| scene.frame(frame, now));
    }

    /// An event; its cage is the one that it names.
    pub fn event(&mut self, event: &Event) {
        let verdict = &event.verdict;
        let Ok(cage) = CageName::new(&verdict.rig, &verdict.cage) else { return };
        if let Err(place) = self.delays.binary_search(&verdict.delay)
            && self.delays.len() < DELAYS_MAX
        {
            self.delays.insert(place, verdict.delay);
        }
        self.with(&cage, |scene| scene.event(event));
    }

    /// What [`Screen::scores`] of a cage are about, in their order.
    pub fn cells(&mut self, cage: &CageName, cells: &[ScoredCell]) {
        self.with(cage, |scene| scene.cells(cells));
    }

    /// The scores of a tick: N of them at the shortest delay; those of longer delays may follow.
    pub fn scores(&mut self, cage: &CageName, tick: u64, scores: &[f32]) {
        self.with(cage, |scene| scene.scores(tick, scores));
    }

    /// What truly begins or ends in a simulation.
    pub fn truth(&mut self, cage: &CageName, truth: &Truth) {
        self.with(cage, |scene| scene.truth(truth));
    }

    pub fn counts(&mut self, cage: &CageName, counts: Counts) {
        self.with(cage, |scene| scene.counts = counts);
    }

    pub fn state(&mut self, cage: &CageName, state: State) {
        self.with(cage, |scene| scene.state(state));
    }

    /// Two animals may have exchanged their names: said for some seconds.
    pub fn swap_alarm(&mut self, cage: &CageName, animals: [&str; 2], now: Duration) {
        self.with(cage, |scene| scene.swap_alarm(animals, now));
    }

    /// How the journal of the detector is doing.
    pub fn journal(&mut self, journal: Journal) {
        self.journal = match journal {
            Journal::Failing { reason } => Journal::Failing { reason: clean(&reason, LINE_CHARS_MAX) },
            journal => journal,
        };
    }

    pub fn key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::None;
        }
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            // In a raw terminal, Ctrl-C is a key like any other.
            let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            return if is_interrupt { Action::Quit } else { Action::None };
        }
        match key.code {
            KeyCode::Char('q' | 'Q') => return Action::Quit,
            KeyCode::Char('p' | 'P' | ' ') => self.pause(),
            KeyCode::Char('d' | 'D') => self.next_delay(),
            KeyCode::Tab => self.next_cage(true),
            KeyCode::BackTab => self.next_cage(false),
            KeyCode::Char('?' | 'h' | 'H') | KeyCode::F(1) => {
                self.help = if self.help.is_some() { None } else { Some(0) };
            }
            KeyCode::Esc if self.help.is_some() => self.help = None,
            KeyCode::Down | KeyCode::PageDown | KeyCode::Char('j') if self.help.is_some() => {
                self.help = self.help.map(|line| line.saturating_add(1).min(help::LINES_MAX));
            }
            KeyCode::Up | KeyCode::PageUp | KeyCode::Char('k') if self.help.is_some() => {
                self.help = self.help.map(|line| line.saturating_sub(1));
            }
            _ => return Action::None,
        }
        Action::Redraw
    }

    /// Draws everything. Too small a window is told so.
    pub fn draw(&self, canvas: &mut Canvas, now: Duration) {
        let area = canvas.area();
        self.paint(area, canvas.buffer_mut(), now);
    }

    fn paint(&self, area: Rect, buffer: &mut Buffer, now: Duration) {
        let empty = Scene::default();
        let scene = self.paused.as_deref().or_else(|| self.scene()).unwrap_or(&empty);
        let fast = self.delays.first().copied().unwrap_or(0);
        let look = Look { screen: self, scene, theme: self.theme, now, delay: self.delay(), fast };
        // Alarms are of the present, whatever the picture shows.
        let alarm = header::alarm(&Look { scene: self.scene().unwrap_or(&empty), ..look });
        let Some(layout) = Layout::of(area, alarm.is_some()) else {
            header::too_small(area, buffer);
            return;
        };
        header::draw(&look, layout.header, buffer);
        if let Some(alarm) = alarm {
            header::draw_alarm(&alarm, self.theme, layout.alarm, buffer);
        }
        arena::draw(&look, layout.arena, layout.boxed, buffer);
        raster::draw(&look, layout.raster, layout.boxed, buffer);
        panels::scores(&look, layout.scores, layout.boxed, buffer);
        panels::timing(&look, layout.timing, layout.boxed, buffer);
        panels::events(&look, layout.events, layout.boxed, buffer);
        header::footer(&look, layout.footer, buffer);
        if let Some(scrolled) = self.help {
            help::draw(self.theme, scrolled, area, buffer);
        }
    }

    /// The delay that is shown, in ticks.
    fn delay(&self) -> u32 {
        self.delay.or(self.delays.last().copied()).unwrap_or(0)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// The shown cage, its place among all of them (from 1), and how many there are.
    pub(super) fn place(&self) -> Option<(&CageName, usize, usize)> {
        let shown = self.shown.as_ref()?;
        Some((shown, self.cages.range(..=shown).count(), self.cages.len()))
    }

    pub(super) fn scene(&self) -> Option<&Scene> {
        self.cages.get(self.shown.as_ref()?)
    }

    /// Cages beyond the limit are left out.
    fn with(&mut self, cage: &CageName, change: impl FnOnce(&mut Scene)) {
        if !self.cages.contains_key(cage) {
            if self.cages.len() >= CAGES_MAX {
                return;
            }
            self.cages.insert(cage.clone(), Scene::default());
            self.shown.get_or_insert_with(|| cage.clone());
        }
        if let Some(scene) = self.cages.get_mut(cage) {
            change(scene);
        }
    }

    fn pause(&mut self) {
        self.paused = if self.paused.is_some() { None } else { self.scene().cloned().map(Box::new) };
    }

    fn next_delay(&mut self) {
        let now = self.delay();
        let next = self.delays.iter().find(|&&delay| delay > now).or(self.delays.first());
        self.delay = next.copied();
    }

    fn next_cage(&mut self, forward: bool) {
        let Some(shown) = &self.shown else { return };
        let after = self.cages.keys().find(|&cage| cage > shown).or(self.cages.keys().next());
        let before = self.cages.keys().rev().find(|&cage| cage < shown).or(self.cages.keys().next_back());
        self.shown = if forward { after } else { before }.cloned();
        if self.paused.is_some() {
            self.paused = self.scene().cloned().map(Box::new);
        }
    }
}
