import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calm, describeWatch, watch, type VolumeLook, type WatchState } from '../../../agent/capacity/volume-steps.ts';

const MIB = 2 ** 20;
const BUDGET = 36 * MIB;

function look(atSeconds: number, usedMib: number, headMib = 10): VolumeLook {
  return { atMs: atSeconds * 1000, sizeBytes: 100 * MIB, usedBytes: usedMib * MIB, headBytes: headMib * MIB };
}

/** The state after these looks, one after the other. */
function after(...looks: readonly VolumeLook[]): WatchState {
  return looks.reduce((state, one) => watch(state, one, BUDGET), calm(BUDGET));
}

describe('the watchdog of the volume', () => {
  it('does nothing below 85 %', () => {
    const { steps, retentionSizeBytes, factor } = after(look(0, 84));
    assert.deepEqual({ steps, retentionSizeBytes, factor }, { steps: 0, retentionSizeBytes: BUDGET, factor: 1 });
  });

  it('halves the retention and doubles the intervals at 85 %, and says so', () => {
    const state = after(look(0, 85));
    assert.deepEqual([state.retentionSizeBytes, state.factor], [18 * MIB, 2]);
    assert.equal(
      describeWatch(state, look(0, 85)),
      'the data take 85 % of 100 MiB: older blocks are deleted down to 18 MiB and apps are scraped 2 times less often, until there is room',
    );
  });

  it('never lowers the retention below WAL and head, and never raises it', () => {
    assert.equal(after(look(0, 90, 20)).retentionSizeBytes, 25 * MIB);
    assert.equal(after(look(0, 90, 60)).retentionSizeBytes, BUDGET);
  });

  it('gives a step time to show before it takes the next, and takes three at most', () => {
    assert.equal(after(look(0, 90), look(30, 90)).factor, 2);
    assert.equal(after(look(0, 90), look(90, 90)).factor, 4);
    assert.equal(after(look(0, 90), look(90, 90), look(180, 90), look(999, 95)).factor, 8);
  });

  it('undoes one step after five minutes with room, and the next after five more', () => {
    const acted = [look(0, 90), look(90, 90), look(180, 60)];
    assert.equal(after(...acted, look(479, 60)).steps, 2);
    assert.equal(after(...acted, look(480, 60)).steps, 1);
    assert.equal(after(...acted, look(480, 60), look(700, 60)).steps, 1);
    const undone = after(...acted, look(480, 60), look(780, 60));
    assert.deepEqual([undone.steps, undone.retentionSizeBytes, undone.factor], [0, BUDGET, 1]);
    assert.equal(describeWatch(undone, look(780, 60)), undefined);
  });

  it('undoes nothing while a part of the volume is unknown, and acts at 85 % all the same', () => {
    const unknown = (seconds: number, mib: number): VolumeLook => ({ ...look(seconds, mib), problem: 'EACCES' });
    const acted = [look(0, 90), look(90, 60)];
    assert.equal(after(...acted, unknown(200, 60), look(390, 60), unknown(999, 60)).steps, 1);
    assert.equal(after(...acted, look(390, 60)).steps, 0);
    assert.equal(after(unknown(0, 85)).steps, 1);
  });

  it('counts the five minutes anew when there was no room in between', () => {
    assert.equal(after(look(0, 90), look(90, 60), look(300, 75), look(390, 60), look(600, 60)).steps, 1);
  });

  it('takes half of the volume where there is no budget for it', () => {
    assert.equal(watch(calm(Infinity), look(0, 90), Infinity).retentionSizeBytes, 50 * MIB);
  });

  it("takes over the budget's retention while all is well", () => {
    assert.equal(watch(after(look(0, 10)), look(1, 10), 50 * MIB).retentionSizeBytes, 50 * MIB);
  });
});
