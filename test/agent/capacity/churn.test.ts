import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeChurn, NO_CHURN, watchChurn, type ChurnState } from '../../../agent/capacity/churn.ts';

const BUDGET = 1_000;

/** A look at this many seconds, at this many series, of which the apps made these. */
function look(
  state: ChurnState,
  seconds: number,
  series: number,
  made: Readonly<Record<string, number>> = {},
): ChurnState {
  return watchChurn(state, { atMs: seconds * 1000, series, made: new Map(Object.entries(made)) }, BUDGET);
}

function paused(state: ChurnState): string[] {
  return [...state.paused].sort();
}

describe('the watch over the series in the head', () => {
  it('does nothing below one and three quarters of the budget', () => {
    assert.equal(look(NO_CHURN, 0, 1_749, { a: 900 }), NO_CHURN);
  });

  it('pauses above that the apps that made most, as many as made what is too much', () => {
    assert.deepEqual(paused(look(NO_CHURN, 0, 1_800, { a: 900, b: 100, c: 5 })), ['a']);
    assert.deepEqual(paused(look(NO_CHURN, 0, 1_800, { a: 500, b: 400, c: 5 })), ['a', 'b']);
  });

  it('does not pause apps that made few new series', () => {
    assert.deepEqual(paused(look(NO_CHURN, 0, 3_000, { a: 900, b: 89 })), ['a']);
  });

  it('pauses more apps when the number of series still grows after the first pause took effect', () => {
    const first = look(NO_CHURN, 0, 1_800, { a: 900, b: 100 });
    assert.equal(look(first, 5, 2_000, { a: 950, b: 150 }), first);
    const settled = look(first, 15, 2_000, { a: 950, b: 150 });
    assert.deepEqual(paused(settled), ['a']);
    assert.equal(look(settled, 20, 2_199, { a: 950, b: 300 }), settled);
    assert.deepEqual(paused(look(settled, 25, 2_200, { a: 950, b: 350 })), ['a', 'b']);
  });

  it('pauses no app when no app makes new series: the present ones go with the next block', () => {
    assert.equal(look(NO_CHURN, 0, 3_000), NO_CHURN);
    assert.match(
      describeChurn(NO_CHURN, 3_000, BUDGET) ?? '',
      /holds 3,000 series, where there is room for 1,000: they go/,
    );
  });

  it('pauses no app for series from before its scrapes failed, as it makes no more', () => {
    assert.equal(look(NO_CHURN, 0, 3_000, { a: 100, b: 399 }), NO_CHURN);
    assert.deepEqual(paused(look(NO_CHURN, 0, 3_000, { a: 100, b: 400 })), ['a', 'b']);
  });

  it('resumes all apps when the head is truncated, but not within five minutes', () => {
    const state = look(NO_CHURN, 0, 1_800, { a: 900 });
    assert.equal(look(state, 299, 500), state);
    assert.equal(look(state, 300, 1_250), state);
    assert.deepEqual(paused(look(state, 300, 1_249)), []);
  });

  it('reports paused apps, with what to do, until they are scraped again', () => {
    const state = look(NO_CHURN, 0, 1_800, { shop: 900 });
    assert.match(
      describeChurn(state, 900, BUDGET) ?? '',
      /shop made most of them and is not scraped until there is room/,
    );
    assert.equal(describeChurn(NO_CHURN, 1_700, BUDGET), undefined);
  });
});
