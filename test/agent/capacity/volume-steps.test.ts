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

describe('the steps of the volume guard', () => {
  it('are none below 85 %', () => {
    const { steps, retentionSizeBytes, factor } = after(look(0, 84));
    assert.deepEqual({ steps, retentionSizeBytes, factor }, { steps: 0, retentionSizeBytes: BUDGET, factor: 1 });
  });

  it('halve the retention and double the intervals at 85 %, and are reported', () => {
    const state = after(look(0, 85));
    assert.deepEqual([state.retentionSizeBytes, state.factor], [18 * MIB, 2]);
    assert.equal(
      describeWatch(state, look(0, 85)),
      'the data take 85 % of 100 MiB: older blocks are deleted down to 18 MiB and apps are scraped 2 times less often, until there is room',
    );
  });

  it('never lower the retention below WAL and head, and never raise it', () => {
    assert.equal(after(look(0, 90, 20)).retentionSizeBytes, 25 * MIB);
    assert.equal(after(look(0, 90, 60)).retentionSizeBytes, BUDGET);
  });

  it('wait until a step took effect before the next, and are three at most', () => {
    assert.equal(after(look(0, 90), look(30, 90)).factor, 2);
    assert.equal(after(look(0, 90), look(90, 90)).factor, 4);
    assert.equal(after(look(0, 90), look(90, 90), look(180, 90), look(999, 95)).factor, 8);
  });

  it('are undone one by one, each after five minutes with free space', () => {
    const acted = [look(0, 90), look(90, 90), look(180, 60)];
    assert.equal(after(...acted, look(479, 60)).steps, 2);
    assert.equal(after(...acted, look(480, 60)).steps, 1);
    assert.equal(after(...acted, look(480, 60), look(700, 60)).steps, 1);
    const undone = after(...acted, look(480, 60), look(780, 60));
    assert.deepEqual([undone.steps, undone.retentionSizeBytes, undone.factor], [0, BUDGET, 1]);
    assert.equal(describeWatch(undone, look(780, 60)), undefined);
  });

  it('are not undone while a part of the volume is unknown, but taken at 85 % all the same', () => {
    const unknown = (seconds: number, mib: number): VolumeLook => ({ ...look(seconds, mib), problem: 'EACCES' });
    const acted = [look(0, 90), look(90, 60)];
    assert.equal(after(...acted, unknown(200, 60), look(390, 60), unknown(999, 60)).steps, 1);
    assert.equal(after(...acted, look(390, 60)).steps, 0);
    assert.equal(after(unknown(0, 85)).steps, 1);
  });

  it('start the five minutes again when the free space was too little in between', () => {
    assert.equal(after(look(0, 90), look(90, 60), look(300, 75), look(390, 60), look(600, 60)).steps, 1);
  });

  it('use half of the volume when there is no budget', () => {
    assert.equal(watch(calm(Infinity), look(0, 90), Infinity).retentionSizeBytes, 50 * MIB);
  });

  it('use the retention of the budget while there is free space', () => {
    assert.equal(watch(after(look(0, 10)), look(1, 10), 50 * MIB).retentionSizeBytes, 50 * MIB);
  });
});
