import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KnownApp } from '../../../agent/discovery/known-apps.ts';
import type { ListedApp } from '../../../agent/tsuru/answers.ts';
import { identify, makeFormer } from '../../../agent/tsuru/identity.ts';
import { byName, known, unit } from '../../support/known-apps.ts';

const BINDS = 'prometheus-service/binds';

function listed(team: string, units: ListedApp['units'] = { kind: 'known', units: [unit('new-1')] }): ListedApp {
  return { app: { ...known('pay').app, team }, units, address: '' };
}

function own(binds: string | undefined): ListedApp {
  const annotations = binds === undefined ? {} : { [BINDS]: binds };
  return { app: { ...known('prometheus-mine').app, annotations }, units: { kind: 'known', units: [] }, address: '' };
}

const OLD = known('pay', { app: { team: 'a' }, units: [unit('old-1'), unit('old-2')] });
const FORMER = makeFormer(byName(OLD), ['pay']).get('pay') ?? OLD;
const UNKNOWN_UNITS: ListedApp['units'] = { kind: 'unknown', reason: 'a cluster is away' };
const HELD: KnownApp = {
  ...known('pay', { app: { team: 'a' }, units: [] }),
  fromTargetFile: [{ targets: ['10.0.0.1:8888'], labels: { __meta_tsuru_unit: 'old-1' } }],
};

type Verdict = 'known' | 'stranger' | 'accepted' | 'waits';

const CASES: readonly [title: string, KnownApp | undefined, ListedApp, binds: string | undefined, Verdict][] = [
  ['a new app, whatever the annotation says', undefined, listed('b'), '{"pay":"a"}', 'known'],
  ['the same team with other units', OLD, listed('a'), undefined, 'known'],
  [
    'another team with one of the old units',
    OLD,
    listed('b', { kind: 'known', units: [unit('x'), unit('old-2')] }),
    undefined,
    'known',
  ],
  ['another team while the units are unknown', OLD, listed('b', UNKNOWN_UNITS), undefined, 'known'],
  ['a team that Tsuru does not tell', OLD, listed(''), undefined, 'known'],
  ['another team with other units', OLD, listed('b'), undefined, 'stranger'],
  ['another team without units', OLD, listed('b', { kind: 'known', units: [] }), undefined, 'stranger'],
  ['another team after an app without units', { ...OLD, units: [] }, listed('b'), undefined, 'stranger'],
  ['another team, as the annotation says', OLD, listed('b'), '{"pay":"b"}', 'accepted'],
  ['another team than the annotation says', OLD, listed('b'), '{"pay":"a"}', 'stranger'],
  ['another team, and an annotation about other apps', OLD, listed('b'), '{"shop":"b"}', 'stranger'],
  ['another team, and an annotation that is no JSON', OLD, listed('b'), 'pay=b', 'stranger'],
  ['another team, and an annotation with numbers', OLD, listed('b'), '{"pay":1}', 'stranger'],
  [
    'another team with a unit of the last target file',
    HELD,
    listed('b', { kind: 'known', units: [unit('old-1')] }),
    undefined,
    'known',
  ],
  ['another team with no unit of the last target file', HELD, listed('b'), undefined, 'stranger'],
  ['the name of a former app, of another team', FORMER, listed('b'), undefined, 'waits'],
  ['the name of a former app, with unknown units', FORMER, listed('b', UNKNOWN_UNITS), undefined, 'waits'],
  ['the name of a former app, and an annotation with its old team', FORMER, listed('b'), '{"pay":"a"}', 'waits'],
  ['the name of a former app, of a team that the annotation says', FORMER, listed('b'), '{"pay":"b"}', 'accepted'],
  ['the name of a former app, of the same team', FORMER, listed('a'), undefined, 'accepted'],
  ['the name of a former app, and no team', FORMER, listed(''), '{"pay":""}', 'waits'],
];

describe('an app of a name that is known', () => {
  for (const [title, before, now, binds, expected] of CASES) {
    it(`is ${expected} with ${title}`, () => {
      const apps = before === undefined ? new Map<string, KnownApp>() : byName(before);
      const { strangers, accepted, problems } = identify(apps, new Map([['pay', now]]), own(binds));
      const verdict: Verdict = strangers.has('pay')
        ? 'stranger'
        : accepted.includes('pay')
          ? 'accepted'
          : problems.some((problem) => problem.startsWith('pay is not scraped'))
            ? 'waits'
            : 'known';
      assert.equal(verdict, expected);
    });
  }

  it('is dropped once its app is former: only the team is kept, also when it becomes former again', () => {
    assert.deepEqual(FORMER, {
      app: { name: 'pay', pool: '', team: '', annotations: {}, labels: {} },
      units: [],
      formerTeam: 'a',
    });
    const former = makeFormer(byName(OLD), ['pay']);
    assert.equal(makeFormer(former, ['pay', 'other']), former);
  });

  it('waits with a problem that names its team and what to do', () => {
    const { strangers, problems } = identify(byName(OLD), new Map([['pay', listed('b')]]), own('[]'));
    assert.deepEqual([...strangers.values()], ['it is another app now, of team b']);
    assert.deepEqual(problems, [
      "the annotation prometheus-service/binds of this instance's app is invalid: it must be a JSON object of app names and teams",
      'pay is not scraped: it is another app now, of team b, and the broker has not confirmed its bind; bind it to this instance if it is to be scraped',
    ]);
  });
});
