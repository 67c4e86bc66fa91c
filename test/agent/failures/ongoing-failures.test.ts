import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAILURE_KINDS, type Observation } from '../../../agent/failures/observation.ts';
import { createOngoingFailures } from '../../../agent/failures/ongoing-failures.ts';
import { createLog } from '../../../agent/shared/log.ts';
import { createTroubles } from '../../../agent/system/troubles.ts';

const fails = (key: string, error = 'HTTP status 503 Service Unavailable'): Observation => ({
  ...{ key, name: key, verdict: 'fails', isNew: true, error },
});
const idle = (key: string): Observation => ({ key, name: key, verdict: 'idle', isNew: false });
const works = (key: string): Observation => ({ key, name: key, verdict: 'works', isNew: false });

/** Looks each 15 s at what `of` says, and returns the texts of the problems at each look, and what was counted. */
function look(
  seconds: number,
  of: (atSeconds: number) => readonly Observation[],
): { told: string[][]; since: number[]; failing: number[]; counted: string[] } {
  let nowMs = 0;
  const troubles = createTroubles(createLog('silent', []), () => nowMs);
  const counted: string[] = [];
  const failing: number[] = [];
  const told: string[][] = [];
  const since: number[] = [];
  const ongoing = createOngoingFailures({
    troubles,
    wallMs: () => nowMs,
    nowMs: () => nowMs,
    onFailure: (kind, name) => counted.push(`${kind} ${name}`),
    onFailing: (_, number) => failing.push(number),
  });
  for (let at = 0; at <= seconds; at += 15) {
    nowMs = at * 1_000;
    ongoing.observe('remote_write', of(at));
    told.push(troubles.current().map(({ text }) => text));
    since.push(...troubles.current().map(({ sinceMs }) => sinceMs / 1_000));
  }
  return { told, since, failing, counted };
}

describe('a failure', () => {
  it('that ends within a minute is counted but not reported', () => {
    const { told, counted } = look(300, (at) => [at === 30 || at === 60 ? fails('far') : works('far')]);
    assert.deepEqual(told.flat(), []);
    assert.equal(counted.length, 2);
  });

  it('that happens once is not reported, however long nothing follows', () => {
    const { told } = look(600, (at) => [at === 30 ? fails('far') : idle('far')]);
    assert.deepEqual(told.flat(), []);
  });

  it('that lasts is reported after a minute, with its last error and its start, until it ends', () => {
    const { told, since, failing } = look(300, (at) =>
      at < 30 || at > 200 ? [works('far')] : [fails('far', at < 150 ? 'EOF' : 'HTTP status 400 Bad Request')],
    );
    assert.equal(told.findIndex((texts) => texts.length > 0) * 15, 90);
    assert.deepEqual(new Set(since), new Set([30]));
    assert.deepEqual(told[8], [
      'remote_write to far fails: EOF; check that it runs and its URL in the setting remote_write',
    ]);
    assert.match(told[12]?.join() ?? '', /fails: HTTP status 400 Bad Request; samples are lost: check its URL/);
    assert.deepEqual([told.at(-1), failing[12], failing.at(-1)], [[], 1, 0]);
  });

  it('that recurs once a minute is reported too, and stays while its state is unknown', () => {
    const { told } = look(900, (at) => [at % 60 === 0 && at < 300 ? fails('far') : idle('far')]);
    assert.equal(told.findIndex((texts) => texts.length > 0) * 15, 60);
    assert.ok(told.slice(4).every((texts) => texts.length === 1));
  });

  it('ends when it was not tried for 20 minutes, or is no longer configured', () => {
    const quiet = look(1_500, (at) => [at <= 90 ? fails('far') : idle('far')]);
    assert.equal(quiet.told.findLastIndex((texts) => texts.length > 0) * 15, 90 + 1_200 - 15);
    const gone = look(300, (at) => (at <= 90 ? [fails('far')] : []));
    assert.equal(gone.told.findLastIndex((texts) => texts.length > 0) * 15, 90 + 60 - 15);
  });

  it('that many share names five of them, and counts the others', () => {
    const { told, failing } = look(90, () => Array.from({ length: 12 }, (_, index) => fails(`r${index}`)));
    assert.equal(told.at(-1)?.length, 6);
    assert.equal(told.at(-1)?.at(-1), '7 more remote_writes fail as well');
    assert.equal(failing.at(-1), 12);
  });

  it('is reported in one sentence for each kind, which says what to do', () => {
    for (const kind of FAILURE_KINDS) {
      let nowMs = 0;
      const troubles = createTroubles(createLog('silent', []), () => nowMs);
      const nothing = (): void => undefined;
      const ongoing = createOngoingFailures({
        ...{ troubles, wallMs: () => nowMs, nowMs: () => nowMs, onFailure: nothing, onFailing: nothing },
      });
      ongoing.observe(kind, [fails('x', 'why')]);
      nowMs = 60_000;
      ongoing.observe(kind, [fails('x', 'why')]);
      const [{ text } = { text: '' }] = troubles.current();
      assert.match(text, /^[^:]*\bx\b[^:]*: why; \w+/, kind);
    }
  });
});
