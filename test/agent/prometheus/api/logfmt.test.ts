import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readLogfmt } from '../../../../agent/prometheus/api/logfmt.ts';

describe('a line of logfmt', () => {
  const table: readonly (readonly [line: string, fields: Readonly<Record<string, string>> | undefined])[] = [
    ['level=info msg=ready', { level: 'info', msg: 'ready' }],
    [
      'ts=2026-11-27T13:00:00.000Z caller=scrape.go:1 level=warn component="scrape manager" target=http://10.0.0.1:80/metrics?a=b msg="Error on" num_dropped=2',
      {
        ts: '2026-11-27T13:00:00.000Z',
        caller: 'scrape.go:1',
        level: 'warn',
        component: 'scrape manager',
        target: 'http://10.0.0.1:80/metrics?a=b',
        msg: 'Error on',
        num_dropped: '2',
      },
    ],
    [
      String.raw`time=x level=ERROR msg="a \"b\" c\\d\n\u00e9\x07" err=`,
      { time: 'x', level: 'ERROR', msg: 'a "b" c\\d\né\u0007', err: '' },
    ],
    ['level=info queries="[{\\"query\\":\\"up', { level: 'info', queries: '[{"query":"up' }],
    ['level=info msg="cut in an escape\\', { level: 'info', msg: 'cut in an escape' }],
    ['level=info msg=""', { level: 'info', msg: '' }],
    ['level=info = x', undefined],
    ['level=info alone', undefined],
    ['panic: runtime error: level=info', undefined],
    ['goroutine 1 [running]:', undefined],
    ['{"level":"info"}', undefined],
    ['', undefined],
  ];
  for (const [line, fields] of table) {
    it(`is read: ${line.slice(0, 60)}`, () => {
      assert.deepEqual(readLogfmt(line), fields);
    });
  }
});
