import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { KnownApps } from '../../../agent/discovery/known-apps.ts';
import type { Clock } from '../../../agent/shared/clock.ts';
import { createPoller } from '../../../agent/tsuru/poller.ts';
import { TsuruError } from '../../../agent/shared/tsuru.ts';
import { shuffledDeep } from '../../support/shuffled.ts';

const OWN = { name: 'prometheus-mine', ip: 'mine.example.com', units: [] };

/** What Tsuru answers to one poll. */
interface Answers {
  readonly list: readonly object[];
  /** The apps that the token may read; without it those of the list. */
  readonly granted?: readonly string[];
  /** No app in full is answered: as when Tsuru fails. */
  readonly isFailing?: boolean;
}

interface Polled {
  /** The apps that were published last. */
  readonly scraped: readonly string[];
  readonly gone: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
  readonly ownAddress: string | undefined;
  readonly waitMs: number;
  /** The paths that were asked for. */
  readonly asked: readonly string[];
}

interface Run {
  readonly polls: readonly Polled[];
  readonly known: KnownApps;
}

/** Polls once for each of the answers, on a clock that only waits advance. */
async function run(answers: readonly Answers[], restored: KnownApps = new Map()): Promise<Run> {
  const stop = new AbortController();
  const polls: Polled[] = [];
  let nowMs = 0;
  let known: KnownApps = restored;
  let gone = new Map<string, string>();
  let problems: readonly string[] = [];
  let ownAddress: string | undefined;
  let asked: string[] = [];

  const clock: Clock = {
    nowMs: () => nowMs,
    wallMs: () => nowMs,
    random: () => 0,
    async sleep(ms, signal) {
      await turn();
      if (!signal.aborted) nowMs += ms;
    },
  };
  const bodyOf = (path: string): unknown => {
    const { list, granted, isFailing = false } = answers[polls.length] ?? { list: [] };
    const names = list.map((app) => ('name' in app ? String(app.name) : ''));
    if (path.startsWith('/1.0/apps?')) return list;
    if (isFailing) throw new Error('no answer');
    if (path === '/1.0/users/info') {
      const permission = (name: string): object => ({ Name: 'app.read.info', ContextType: 'app', ContextValue: name });
      return { Permissions: (granted ?? names).map(permission) };
    }
    const name = path.split('/').at(-1) ?? '';
    if (!names.includes(name)) throw notFound(name);
    return { name, internalAddresses: [{ Process: 'web', Protocol: 'TCP', TargetPort: 8888, Version: '' }] };
  };
  const poller = createPoller({
    tsuru: {
      async get(_call, path) {
        asked.push(path);
        const body = JSON.stringify(shuffledDeep(bodyOf(path)));
        await Promise.resolve();
        return { status: 200, requestId: '', chunks: [Buffer.from(body)] };
      },
      close: () => Promise.resolve(),
    },
    clock,
    random: () => 0.5,
    intervalMs: 15_000,
    ownApp: OWN.name,
    restored,
    sink: {
      publish(now) {
        known = now;
        return Promise.resolve();
      },
      explain(more) {
        gone = new Map([...gone, ...more]);
      },
      ownApp(own) {
        ownAddress = own?.address;
      },
      report(event) {
        if (event.kind === 'poll') {
          problems = event.outcome.kind === 'answered' ? event.outcome.problems : [event.outcome.reason];
        }
        if (event.kind !== 'wait') return;
        const scraped = [...known].filter(([, { formerTeam }]) => formerTeam === undefined).map(([name]) => name);
        polls.push({ scraped, gone, problems, ownAddress, waitMs: event.waitMs, asked });
        gone = new Map();
        asked = [];
        if (polls.length === answers.length) stop.abort();
      },
      changedAtMs: () => undefined,
      writePending: () => false,
    },
  });
  await poller.run(stop.signal);
  return { polls, known };
}

function notFound(name: string): Error {
  return new TsuruError('not_found', `App ${name} not found.`, { requestId: '', status: 404 });
}

function app(name: string, team: string, ...units: readonly string[]): object {
  const unitOf = (id: string): object => ({ ID: id, Name: id, ProcessName: 'web', Status: 'started', InternalIP: id });
  return { name, teamowner: team, units: units.map(unitOf) };
}

function confirmed(binds: Readonly<Record<string, string>>): object {
  const annotations = [{ name: 'prometheus-service/binds', value: JSON.stringify(binds) }];
  return { ...OWN, metadata: { annotations } };
}

describe('a poll', () => {
  it("reports the instance's app each time, also when nothing changed, so that refused settings are retried", async () => {
    const { polls } = await run([{ list: [OWN] }, { list: [OWN] }, { list: [OWN] }]);
    assert.deepEqual(
      polls.map(({ ownAddress }) => ownAddress),
      ['mine.example.com', 'mine.example.com', 'mine.example.com'],
    );
  });

  it('publishes the same object when only the order of the list changed', async () => {
    const list = [OWN, app('a', 'x', '1', '2', '3', '4'), app('b', 'x', '5', '6', '7', '8')];
    const { known } = await run([{ list }, { list }]);
    const { known: later } = await run([{ list }, { list }, { list }], known);
    assert.equal(later, known);
  });
});

describe('a unit whose app cannot report its units', () => {
  const at = (name: string, ip: string): object => {
    const unit = { ID: name, Name: name, ProcessName: 'web', Status: 'started', InternalIP: ip };
    return { name: name.slice(0, -2), teamowner: 'x', units: [unit] };
  };
  const away = { name: 'old', teamowner: 'x', units: [], error: 'unable to list app units: no route to host' };
  const FIRST = { list: [OWN, at('old-1', '10.0.0.1')] };
  const unitsOf = ({ known }: Run): readonly string[] => known.get('old')?.units.map(({ name }) => name) ?? [];

  it('is kept until the list shows its address at another unit, and then dropped with a problem', async () => {
    assert.deepEqual(unitsOf(await run([FIRST, { list: [OWN, away] }])), ['old-1']);
    assert.deepEqual(unitsOf(await run([FIRST, { list: [OWN, away, at('new-1', '10.0.0.2')] }])), ['old-1']);
    const ran = await run([FIRST, { list: [OWN, away, at('new-1', '10.0.0.1')] }, FIRST]);
    assert.match(ran.polls[1]?.problems.join() ?? '', /^old: old-1 is no longer scraped, .* of new-1 of new now$/);
    assert.deepEqual(unitsOf(ran), ['old-1'], 'Tsuru lists it again');
    const { known } = await run([FIRST, { list: [OWN, away, at('new-1', '10.0.0.1')] }]);
    assert.deepEqual(known.get('old')?.units, []);
  });

  it('is dropped when its address is that of the instance itself', async () => {
    const own = { ...at(`${OWN.name}-1`, '10.0.0.1'), name: OWN.name, ip: OWN.ip };
    assert.deepEqual(unitsOf(await run([FIRST, { list: [own, away] }])), []);
  });
});

describe('polls are quick', () => {
  const without = { ...OWN, ip: '' };

  it("until Tsuru lists the address of the instance's app", async () => {
    const { polls } = await run([{ list: [] }, { list: [without] }, { list: [without] }, { list: [OWN] }]);
    assert.deepEqual(
      polls.map(({ waitMs }) => waitMs),
      [5_000, 5_000, 5_000, 15_000],
    );
  });

  it('for 10 minutes at most where there is no address', async () => {
    const { polls } = await run(Array.from({ length: 125 }, () => ({ list: [without] })));
    const quick = polls.filter(({ waitMs }) => waitMs === 5_000).length;
    assert.equal(quick, 120);
    assert.equal(polls.at(-1)?.waitMs, 15_000);
  });
});

describe('an app that returns with another team', () => {
  const OLD = { list: [OWN, app('pay', 'a', 'old-1')] };
  const NEW = { list: [OWN, app('pay', 'b', 'new-1')] };
  const CONFIRMED = { list: [confirmed({ pay: 'b' }), app('pay', 'b', 'new-1')] };
  const REMOVED = { list: [OWN], granted: ['pay'] };
  const UNBOUND = { list: [OWN], granted: [] };
  const REASON = 'it is another app now, of team b';
  const scrapedIn = ({ polls }: Run): boolean[] => polls.map(({ scraped }) => scraped.includes('pay'));

  it('between two polls is dropped at once, until the broker confirms the bind', async () => {
    const ran = await run([OLD, NEW, NEW, CONFIRMED, NEW]);
    assert.deepEqual(scrapedIn(ran), [true, false, false, true, true]);
    assert.deepEqual(
      ran.polls.map(({ gone }) => gone.get('pay')),
      [undefined, REASON, undefined, undefined, undefined],
    );
    assert.match(String(ran.polls[2]?.problems), /^pay is not scraped: .* of team b/);
    assert.deepEqual(ran.polls[4]?.problems, []);
  });

  it('after it was seen to be removed is not scraped, until the broker confirms the bind', async () => {
    const ran = await run([OLD, REMOVED, REMOVED, NEW, CONFIRMED]);
    assert.deepEqual(scrapedIn(ran), [true, false, false, false, true]);
    assert.equal(ran.polls[1]?.gone.get('pay'), 'the app was removed');
  });

  it('after polls that could not find out anything is dropped', async () => {
    const ran = await run([OLD, { ...REMOVED, isFailing: true }, NEW]);
    assert.deepEqual(scrapedIn(ran), [true, true, false]);
  });

  it('is dropped by the next agent, too', async () => {
    const { known } = await run([OLD]);
    assert.deepEqual(scrapedIn(await run([NEW, CONFIRMED], known)), [false, true]);
    const { known: former } = await run([OLD, REMOVED]);
    assert.deepEqual(scrapedIn(await run([NEW, CONFIRMED], former)), [false, true]);
    const { known: stranger } = await run([OLD, NEW]);
    assert.deepEqual(scrapedIn(await run([NEW, CONFIRMED], stranger)), [false, true]);
  });

  it('is scraped after its bind was undone and made again', async () => {
    for (const before of [[OLD], [OLD, NEW], [OLD, REMOVED, NEW]]) {
      const ran = await run([...before, UNBOUND, NEW]);
      assert.deepEqual(scrapedIn(ran).slice(-2), [false, true]);
    }
  });

  it('is scraped when the team is the old one, also after another team had it', async () => {
    const again = { list: [OWN, app('pay', 'a', 'new-2')] };
    assert.deepEqual(scrapedIn(await run([OLD, REMOVED, again])), [true, false, true]);
    assert.deepEqual(scrapedIn(await run([OLD, NEW, again])), [true, false, true]);
  });

  it('is asked for neither by name nor by permission while it waits', async () => {
    const { polls } = await run([OLD, REMOVED, REMOVED, NEW, NEW]);
    assert.deepEqual(
      polls.slice(2).map(({ asked }) => asked.length),
      [1, 1, 1],
    );
  });

  it('keeps its targets when only the team changes', async () => {
    const changed = { list: [OWN, app('pay', 'b', 'old-1', 'new-1')] };
    assert.deepEqual(scrapedIn(await run([OLD, changed, NEW])), [true, true, true]);
  });
});

describe('an app that is missing from the list', () => {
  const LISTED = { list: [OWN, app('pay', 'a', 'old-1')] };

  it('is dropped with the reason: unbound, or removed', async () => {
    const reasons: readonly [granted: readonly string[], reason: string][] = [
      [[], 'it is no longer bound'],
      [['pay'], 'the app was removed'],
    ];
    for (const [granted, reason] of reasons) {
      const { polls } = await run([LISTED, { list: [OWN], granted }]);
      assert.deepEqual(polls[1]?.scraped, []);
      assert.deepEqual(polls[1].gone, new Map([['pay', reason]]));
    }
  });
});
