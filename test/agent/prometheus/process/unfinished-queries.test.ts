import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogLine } from '../../../../agent/prometheus/api/logfmt.ts';
import { unfinishedQueries } from '../../../../agent/prometheus/process/unfinished-queries.ts';

const MESSAGE = "These queries didn't finish in prometheus' last run:";

function line(queries: string, message = MESSAGE): LogLine {
  return { level: 'info', message, fields: { component: 'activeQueryTracker', queries } };
}

describe('the line that names the queries of the last run', () => {
  for (const [what, queries, wanted] of [
    ['one query', '[{"query":"up","timestamp_sec":1}]', 'up'],
    ['two', '[{"query":"up","timestamp_sec":1},{"query":"sum(up)","timestamp_sec":2}]', 'up and sum(up)'],
    ['the same twice', '[{"query":"up","timestamp_sec":1},{"query":"up","timestamp_sec":2}]', 'up'],
    [
      'many',
      JSON.stringify(['a', 'b', 'c', 'd', 'e'].map((query) => ({ query, timestamp_sec: 1 }))),
      'a and b and c and 2 more',
    ],
    ['quotes and lines', JSON.stringify([{ query: 'x{a="b"}\n  + y', timestamp_sec: 1 }]), 'x{a="b"} + y'],
    ['angle brackets as Go escapes them', '[{"query":"a \\u003e 1","timestamp_sec":1}]', 'a > 1'],
    ['a line that is cut', '[{"query":"up","timestamp_sec":1},{"query":"sum(up', 'up and sum(up'],
    ['a line that is cut in an escape', '[{"query":"sum(\\u00', 'sum(\\u00'],
    ['a long query', JSON.stringify([{ query: 'x'.repeat(1_000), timestamp_sec: 1 }]), `${'x'.repeat(199)}…`],
  ] as const) {
    it(`gives a sentence: ${what}`, () => {
      assert.equal(
        unfinishedQueries(line(queries)),
        `Prometheus ended while it ran ${wanted}: ask for fewer series or steps if memory ran out`,
      );
    });
  }

  it('gives none where it names no query, or is another line', () => {
    assert.equal(unfinishedQueries(line('[]')), undefined);
    assert.equal(unfinishedQueries(line('')), undefined);
    assert.equal(unfinishedQueries({ level: 'info', message: MESSAGE, fields: {} }), undefined);
    assert.equal(unfinishedQueries(line('[{"query":"up"}]', 'Server is ready')), undefined);
  });
});
