import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KnownApp } from '../../../agent/discovery/known-apps.ts';
import { failed, lookAt, remembered, told, type DetailsState } from '../../../agent/tsuru/details-schedule.ts';
import { known, port, unit } from '../../support/known-apps.ts';

const MINUTE_MS = 60_000;
const SETTLED = known('a');

/** Polls an app 5 s after each other and returns at which polls its details are asked for. */
function askedAt(apps: readonly KnownApp[], before: DetailsState = settled(), answers = true): number[] {
  let state = before;
  return apps.flatMap((app, index) => {
    const nowMs = 1_000_000 + index * 5_000;
    const look = lookAt(app, state, nowMs);
    state = look.state;
    if (!look.due) return [];
    state = answers ? told(app, state, nowMs, 0) : failed(state, nowMs);
    return [index];
  });
}

/** An app whose details were reported just now. */
function settled(): DetailsState {
  const { state } = lookAt(SETTLED, remembered(SETTLED), 1_000_000);
  return told(SETTLED, state, 1_000_000, 0);
}

describe('the details of an app are asked for', () => {
  it('when it is new, and once more: it may have been deployed a moment before, and have the ports of the version before', () => {
    const first = lookAt(SETTLED, undefined, 0);
    assert.equal(first.due, true);
    const later = lookAt(SETTLED, told(SETTLED, first.state, 0, 0), 5_000);
    assert.equal(later.due, true);
    assert.equal(lookAt(SETTLED, told(SETTLED, later.state, 5_000, 0), 10_000).due, false);
  });

  it('once when an earlier agent knew it and nothing changed', () => {
    assert.deepEqual(askedAt([SETTLED, SETTLED, SETTLED]), []);
  });

  it('when its annotations change', () => {
    const annotated = known('a', { app: { annotations: { x: '1' } } });
    assert.deepEqual(askedAt([SETTLED, annotated, annotated]), [1]);
  });

  it('when a process comes', () => {
    const units = [unit('a-1'), unit('w', { process: 'clock' })];
    const told = known('a', { units, details: { ports: [port(8888), port(8888, { process: 'clock' })] } });
    assert.deepEqual(askedAt([SETTLED, told, told]), [1]);
  });

  it('when all of its units are others, as of an app that was made anew under its name, and once more', () => {
    const anew = known('a', { units: [unit('a-2')] });
    assert.deepEqual(askedAt([SETTLED, anew, anew, anew]), [1, 2]);
  });

  it('while units start, when they have, and at the poll after that: Tsuru writes the ports last', () => {
    const starting = known('a', { units: [unit('u', { status: 'starting' })] });
    assert.deepEqual(askedAt([SETTLED, starting, starting, SETTLED, SETTLED, SETTLED]), [1, 2, 3, 4]);
  });

  it('when a version comes or an old one vanishes, and at the poll after that', () => {
    const both = known('a', { units: [unit('u'), unit('v', { version: '2' })] });
    const next = known('a', { units: [unit('v', { version: '2' })] });
    assert.deepEqual(askedAt([SETTLED, both, both, next, next, next]), [1, 2, 3, 4]);
  });

  it('once more when versions changed while no agent was there to see it', () => {
    const before = known('a', { units: [unit('u', { version: '1' })] });
    const now = known('a', { units: [unit('v', { version: '2' })] });
    assert.deepEqual(askedAt([now, now, now], remembered(before)), [0, 1]);
    assert.deepEqual(askedAt([before, before, before], remembered(before)), [0]);
  });

  it('as long as a running unit has no port', () => {
    const portless = known('a', { details: { ports: [] } });
    assert.deepEqual(askedAt([portless, portless, SETTLED, SETTLED, SETTLED]), [0, 1, 2, 3]);
  });

  it('for no longer than 10 minutes because units start: what starts for ever is stuck', () => {
    const starting = known('a', { units: [unit('u', { status: 'starting' })] });
    const polls = askedAt(Array.from({ length: 150 }, () => starting));
    assert.equal(polls.at(-1), 119);
  });

  it('every 10 minutes when nothing hints at a change', () => {
    const state = settled();
    assert.equal(lookAt(SETTLED, state, 1_000_000 + 10 * MINUTE_MS - 1).due, false);
    assert.equal(lookAt(SETTLED, state, 1_000_000 + 10 * MINUTE_MS).due, true);
  });

  it('when a unit comes, though its version and process are known', () => {
    const more = known('a', { units: [unit('a-1'), unit('a-2')] });
    assert.deepEqual(askedAt([SETTLED, more, more]), [1]);
    assert.deepEqual(askedAt([SETTLED, SETTLED], lookAt(more, settled(), 1_000_000).state), []);
  });

  const waiting: readonly [string, KnownApp, KnownApp][] = [
    ['the first unit comes', known('a', { units: [] }), SETTLED],
    ['a unit comes', SETTLED, known('a', { units: [unit('a-1'), unit('a-2')] })],
    ['a unit goes', known('a', { units: [unit('a-1'), unit('a-2')] }), SETTLED],
    ['the version changes', SETTLED, known('a', { units: [unit('a-1', { version: '2' })] })],
    ['a unit gets its address', known('a', { units: [unit('a-1', { internalIp: '' })] }), SETTLED],
    ['the last unit has started', known('a', { units: [unit('a-1', { status: 'starting' })] }), SETTLED],
    ['an annotation changes', SETTLED, known('a', { app: { annotations: { x: '1' } } })],
  ];
  for (const [title, before, after] of waiting) {
    it(`at once when ${title}, whatever the present wait, and the next wait is short again`, () => {
      let state = lookAt(before, undefined, 0).state;
      for (let failure = 0; failure < 7; failure++) state = failed(state, 0);
      assert.equal(lookAt(before, state, 500_000).due, false);
      const look = lookAt(after, lookAt(before, state, 500_000).state, 505_000);
      assert.equal(look.due, true);
      const again = failed(look.state, 505_000);
      assert.equal(lookAt(after, again, 514_999).due, false);
      assert.equal(lookAt(after, again, 515_000).due, true);
    });
  }

  it('at the same pace when a unit only crashes again and again', () => {
    const crashed = known('a', { units: [unit('a-1', { status: 'error' })] });
    let state = failed(settled(), 1_000_000);
    for (const app of [crashed, SETTLED, crashed]) {
      const look = lookAt(app, state, 1_005_000);
      assert.equal(look.due, false);
      state = look.state;
    }
  });

  it('anew for 10 minutes when another version starts, though the last one was stuck', () => {
    const stuck = known('a', { units: [unit('u', { status: 'starting' })] });
    const next = known('a', { units: [unit('v', { status: 'starting', version: '2' })] });
    const polls = [...Array.from({ length: 150 }, () => stuck), ...Array.from({ length: 20 }, () => next)];
    assert.deepEqual(
      askedAt(polls).slice(-20),
      Array.from({ length: 20 }, (_, index) => 150 + index),
    );
  });

  it('later and later when they cannot be fetched', () => {
    const annotated = known('a', { app: { annotations: { x: '1' } } });
    const polls = Array.from({ length: 20 }, () => annotated);
    assert.deepEqual(askedAt(polls, settled(), false), [0, 2, 6, 14]);
  });
});
