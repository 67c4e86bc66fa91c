import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { createTroubles, type Troubles } from '../../../agent/system/troubles.ts';

interface Scene {
  readonly troubles: Troubles;
  /** The level and the text of each line of the log. */
  readonly lines: string[];
  readonly at: (nowMs: number) => void;
  readonly stop: () => void;
}

function start(): Scene {
  let nowMs = 0;
  let isStopping = false;
  const lines: string[] = [];
  const log = pino(
    { formatters: { level: (label) => ({ level: label }) } },
    {
      write(line: string) {
        const { level, msg } = JSON.parse(line) as { level: string; msg: string };
        lines.push(`${level}: ${msg}`);
      },
    },
  );
  return {
    lines,
    troubles: createTroubles(
      log,
      () => nowMs,
      () => isStopping,
    ),
    at(ms) {
      nowMs = ms;
    },
    stop() {
      isStopping = true;
    },
  };
}

describe('problems', () => {
  it('are logged once however often they are seen, and their end once with how long they lasted', () => {
    const { troubles, lines, at } = start();
    troubles.begin('disk', 'the disk is full');
    at(30_000);
    troubles.begin('disk', 'the disk is full');
    at(90_400);
    troubles.end('disk', 'the disk has room');
    troubles.end('disk', 'the disk has room');
    assert.deepEqual(lines, ['warn: the disk is full', 'info: the disk has room (after 1m30s)']);
    assert.deepEqual(troubles.current(), []);
  });

  it('keep their start, but have their newest text', () => {
    const { troubles, lines, at } = start();
    at(1_000);
    troubles.begin('poll', 'no route');
    at(5_000);
    troubles.begin('poll', 'no answer');
    assert.deepEqual(troubles.current(), [{ key: 'poll', text: 'no answer', sinceMs: 1_000 }]);
    assert.deepEqual(lines, ['warn: no route']);
  });

  it('are logged again when they return after their end', () => {
    const { troubles, lines, at } = start();
    troubles.begin('disk', 'full');
    troubles.end('disk', 'room');
    at(7_000);
    troubles.begin('disk', 'full');
    assert.equal(troubles.current()[0]?.sinceMs, 7_000);
    assert.equal(lines.length, 3);
  });

  it('count from an earlier start where one is given, and never a negative time when the clock jumps back', () => {
    const { troubles, lines, at } = start();
    at(60_000);
    troubles.begin('crash', 'it crashed', {}, 10_000);
    assert.equal(troubles.current()[0]?.sinceMs, 10_000);
    at(0);
    troubles.end('crash', 'it runs');
    assert.equal(lines[1], 'info: it runs (after 0s)');
  });

  it('end one by one', () => {
    const { troubles } = start();
    troubles.begin('a', 'one');
    troubles.begin('b', 'two');
    troubles.end('a', 'well');
    assert.deepEqual(
      troubles.current().map(({ key }) => key),
      ['b'],
    );
  });

  it('do not begin while the agent stops, but can end', () => {
    const { troubles, lines, stop } = start();
    troubles.begin('a', 'one');
    stop();
    troubles.begin('b', 'two');
    troubles.end('a', 'well');
    assert.deepEqual(troubles.current(), []);
    assert.deepEqual(lines, ['warn: one', 'info: well (after 0s)']);
  });
});
