import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BINDS_ANNOTATION } from '../../../agent/shared/binds.ts';
import { OWNER_ANNOTATION } from '../../../agent/shared/own-annotations.ts';
import { annotationsOf, AUTHORITIES, MAKER_ANNOTATION, VARIABLES } from '../../../broker/instances/parts/instance.ts';
import { namesOf } from '../../../broker/names.ts';
import type { Plan } from '../../../broker/plans/plan.ts';
import { describeAct, type Act } from '../../../broker/reconciler/act.ts';
import {
  decide as decideWith,
  GRACE_MS,
  MOST_REMOVALS,
  NO_MEMORY,
  type Decision,
  type Memory,
} from '../../../broker/reconciler/decide.ts';
import { MISSING_APP_GRACE_MS } from '../../../broker/reconciler/wanted.ts';
import type { Parts, RoundFacts } from '../../../broker/reconciler/facts.ts';
import type { App, Unit } from '../../../broker/tsuru/app.ts';
import type { Instance } from '../../../broker/tsuru/instance.ts';
import type { Volume } from '../../../broker/tsuru/volume.ts';

const SERVICE = 'prometheus';
const OWN = 'prometheus-one';
const UNIT: Unit = { name: 'u', status: 'started', reason: '', isReady: true, address: '10.0.0.1:8888' };
const VALUES = new Map([
  [VARIABLES.token, 'a-token'],
  [VARIABLES.username, 'prometheus'],
  [VARIABLES.password, 'a-password-of-the-test'],
]);

const { tag: TAG, tags: TAGS } = namesOf({ service: SERVICE, instance: 'one' });
const PLAN: Plan = {
  ...{ name: 'small', isDefault: true, description: '', details: '', tsuruPlan: 'c1m1', memoryBytes: 0, pool: '' },
  ...{ storage: { kind: 'tmpfs', volumePlan: 'tmpfs', sizeBytes: 0 }, defaults: {}, ceilings: {} },
};
/** Whose the app is, and the settings that were accepted. */
const BORN: Readonly<Record<string, string>> = {
  [OWNER_ANNOTATION]: TAG,
  ...annotationsOf({
    plan: PLAN,
    settings: '{"retention":"3d"}',
    rules: undefined,
    pool: '',
    image: '',
    bindEnv: false,
  }),
};
const VOLUME: Volume = {
  ...{ name: OWN, pool: 'dev', plan: 'tmpfs', team: 'shop', options: {}, isDisk: false, boundTo: [OWN] },
};

function app(annotations: Readonly<Record<string, string>> = {}, more: Partial<App> = {}): App {
  const all = Object.entries({ ...BORN, ...annotations }).filter(([, value]) => value !== '');
  return {
    ...{ name: OWN, pool: 'dev', cluster: '', team: 'shop', plan: 'c1m1', tags: TAGS, units: [UNIT] },
    ...{ unitsError: '', address: '', cname: '', deploys: 1, annotations: new Map(all) },
    ...more,
  };
}

function instance(apps: readonly string[] = []): Instance {
  return { apps, team: 'shop', pool: '', plan: '', parameters: {} };
}

function decide(told: RoundFacts, memory: Memory, nowMs: number, authorities = ''): Decision {
  return decideWith(told, memory, { service: SERVICE, nowMs, authorities });
}

function parts(grants: readonly string[], more: Partial<Parts> = {}): Parts {
  const roles = grants.map((context) => ({ name: 'prometheus-reader', context }));
  return {
    app: app(),
    token: { id: OWN, value: 'a-token', team: 'shop', description: '', roles },
    volume: VOLUME,
    variables: VALUES,
    ...more,
  };
}

interface World {
  readonly bound?: readonly string[];
  readonly part?: Parts;
  readonly teams?: Readonly<Record<string, string>>;
  readonly instances?: RoundFacts['instances'];
}

function facts({ bound = [], part = parts([OWN]), teams = {}, ...rest }: World): RoundFacts {
  const instances = new Map([['one', instance(bound)]]);
  const listed = 'instances' in rest ? rest.instances : instances;
  return {
    instances: listed,
    parts: new Map([['one', part], ...(listed?.has('other') === true ? wellOther() : [])]),
    teams: new Map(Object.entries(teams)),
    troubles: [],
  };
}

function acts(world: World, memory: Memory = NO_MEMORY, nowMs = 0): readonly Act[] {
  return decide(facts(world), memory, nowMs).acts;
}

/** The parts of another instance, all of them right. */
function wellOther(): [string, Parts][] {
  const name = 'prometheus-other';
  return [['other', parts([name], { app: markedFor('other'), volume: { ...VOLUME, name, boundTo: [name] } })]];
}

function markedFor(name: string): App {
  const { tag, tags } = namesOf({ service: SERVICE, instance: name });
  return app({ [OWNER_ANNOTATION]: tag }, { tags });
}

describe('a round of the reconciler', () => {
  it('does nothing when grants, binds, variables and units agree', () => {
    assert.deepEqual(acts({}), []);
    const confirmed = { [BINDS_ANNOTATION]: '{"pay":"shop"}' };
    assert.deepEqual(
      acts({ bound: ['pay'], part: parts([OWN, 'pay'], { app: app(confirmed) }), teams: { pay: 'shop' } }),
      [],
    );
  });

  it('restores the variables of an instance that does not trust the CAs of the broker, if that has any', () => {
    const kinds = (variables: ReadonlyMap<string, string>, authorities: string): string[] =>
      decide(facts({ part: parts([OWN], { variables }) }), NO_MEMORY, 0, authorities).acts.map(({ kind }) => kind);
    const trusting = new Map([...VALUES, [AUTHORITIES, 'a CA']]);
    assert.deepEqual(kinds(VALUES, ''), []);
    assert.deepEqual(kinds(trusting, ''), []);
    assert.deepEqual(kinds(trusting, 'a CA'), []);
    assert.deepEqual(kinds(VALUES, 'a CA'), ['restore_variables']);
    assert.deepEqual(kinds(trusting, 'another CA'), ['restore_variables']);
  });

  it('revokes a grant that no bind explains, and no other role', () => {
    const part = parts([OWN, 'pay']);
    assert.deepEqual(acts({ part }), [{ kind: 'revoke', instance: 'one', app: 'pay' }]);
    const roles = [
      { name: 'prometheus-reader', context: OWN },
      { name: 'x', context: 'pay' },
    ];
    const other = parts([OWN], { token: { id: OWN, value: 'a-token', team: 'shop', description: '', roles } });
    assert.deepEqual(acts({ part: other }), []);
  });

  it('grants a bind again that had no grant in two rounds', () => {
    const world: World = { bound: ['pay'], teams: {} };
    const first = decide(facts(world), NO_MEMORY, 0);
    assert.deepEqual(first.acts, []);
    const second = decide(facts(world), first.memory, 60_000);
    assert.deepEqual(second.acts, [{ kind: 'grant', instance: 'one', app: 'pay' }]);
    const healed = decide(facts({ ...world, part: parts([OWN, 'pay']) }), first.memory, 60_000);
    assert.deepEqual(healed.acts, []);
    assert.deepEqual(decide(facts(world), healed.memory, 120_000).acts, [], 'it is counted anew');
  });

  it('grants the instance its own app at once', () => {
    assert.deepEqual(acts({ part: parts([]) }), [{ kind: 'grant', instance: 'one', app: OWN }]);
  });

  it('confirms the team of each bound app, keeps what it knew of one whose team is unknown, and drops the rest', () => {
    const before = { [BINDS_ANNOTATION]: '{"a":"old","gone":"x","hidden":"y"}' };
    const part = parts([OWN, 'a', 'b', 'hidden'], { app: app(before) });
    const [act] = acts({ bound: ['b', 'a', 'hidden'], part, teams: { a: 'new', b: 'shop', gone: 'x' } });
    assert.ok(act?.kind === 'confirm_binds');
    assert.deepEqual(Object.fromEntries(act.binds), { b: 'shop', a: 'new', hidden: 'y' });
  });

  it('replaces an annotation of binds that cannot be read', () => {
    const part = parts([OWN], { app: app({ [BINDS_ANNOTATION]: 'nonsense' }) });
    assert.deepEqual(acts({ part }), [{ kind: 'confirm_binds', instance: 'one', binds: new Map(), before: new Map() }]);
  });

  it('restores a token that is gone, variables that are missing or stale, and a deploy that never was', () => {
    const missing = (...names: string[]): ReadonlyMap<string, string> =>
      new Map([...VALUES].filter(([name]) => !names.includes(name)));
    const variables = { kind: 'restore_variables', instance: 'one' };
    assert.deepEqual(acts({ bound: [], part: { ...parts([OWN]), token: undefined } }), [
      { kind: 'restore_token', instance: 'one', apps: [] },
    ]);
    for (const name of Object.values(VARIABLES))
      assert.deepEqual(acts({ part: parts([OWN], { variables: missing(name) }) }), [variables], name);
    const stale = new Map([...VALUES, [VARIABLES.token, 'an-old-token']]);
    assert.deepEqual(acts({ part: parts([OWN], { variables: stale }) }), [variables]);
    assert.deepEqual(acts({ part: parts([OWN], { variables: undefined }) }), [], 'unknown is not missing');
    assert.deepEqual(acts({ part: parts([OWN], { app: app({}, { units: [] }) }) }), [
      { kind: 'deploy', instance: 'one' },
    ]);
    const unknownUnits = app({}, { units: [], unitsError: 'unable to list app units' });
    assert.deepEqual(acts({ part: parts([OWN], { app: unknownUnits }) }), []);
  });

  it('changes nothing by a list without the service, or without the instance', () => {
    const part = parts([OWN, 'pay'], { variables: new Map() });
    const lacking = decide(facts({ part, instances: undefined }), NO_MEMORY, GRACE_MS * 2);
    assert.deepEqual(lacking.acts, []);
    assert.match(lacking.unknown ?? '', /lacks the service prometheus: .*service-instance\.read/);
    const { memory } = decide(facts({}), NO_MEMORY, 0);
    const empty = decide(facts({ part, instances: new Map() }), memory, GRACE_MS * 2);
    assert.deepEqual(empty.acts, []);
  });

  it('removes the parts of an instance that Tsuru does not know after the grace, app first', () => {
    const world: World = { instances: new Map([['other', instance()]]) };
    const first = decide(facts(world), NO_MEMORY, 1_000);
    assert.deepEqual(first.acts, []);
    assert.deepEqual(decide(facts(world), first.memory, GRACE_MS).acts, [], 'the grace is not over');
    assert.deepEqual(
      decide(facts(world), first.memory, 1_000 + GRACE_MS).acts,
      ['app', 'volume', 'token'].map((what) => ({ kind: 'remove', instance: 'one', what, maker: '' })),
    );
  });

  it('starts the grace period again when a creation adopts the parts, or Tsuru lists the instance meanwhile', () => {
    const other = new Map([['other', instance()]]);
    const leftover = (maker: string): RoundFacts =>
      facts({ instances: other, part: parts([OWN], { app: app({ [MAKER_ANNOTATION]: maker }) }) });
    const first = decide(leftover('a'), NO_MEMORY, 0);
    const claimed = decide(leftover('b'), first.memory, GRACE_MS);
    assert.deepEqual(claimed.acts, []);
    assert.equal(decide(leftover('b'), claimed.memory, 2 * GRACE_MS).acts.length, 3);
    const listed = decide(facts({}), first.memory, 60_000);
    assert.deepEqual(decide(leftover('a'), listed.memory, GRACE_MS).acts, []);
  });

  it('removes a few parts a round, and reports how many wait', () => {
    const names = ['a', 'b', 'c'];
    const many: RoundFacts = {
      instances: new Map([['other', instance()]]),
      parts: new Map([...names.map((name): [string, Parts] => [name, parts([])]), ...wellOther()]),
      teams: new Map(),
      troubles: [],
    };
    const { memory } = decide(many, NO_MEMORY, 0);
    const { acts: due, postponed } = decide(many, memory, GRACE_MS);
    assert.deepEqual([due.length, postponed.length], [MOST_REMOVALS, 9 - MOST_REMOVALS]);
  });

  it('tries all leftovers in turn, so that those which cannot be removed block no other', () => {
    const only = parts([], { token: undefined, volume: undefined });
    const many: RoundFacts = {
      instances: new Map([['other', instance()]]),
      parts: new Map([...['a', 'b', 'c', 'd', 'e'].map((name): [string, Parts] => [name, only]), ...wellOther()]),
      teams: new Map(),
      troubles: [],
    };
    let { memory } = decide(many, NO_MEMORY, 0);
    const tried: string[] = [];
    for (let round = 1; round <= 2; round++) {
      const decision = decide(many, memory, GRACE_MS * round);
      tried.push(...decision.acts.map(({ instance }) => instance));
      memory = decision.memory;
    }
    assert.deepEqual([...new Set(tried)].sort(), ['a', 'b', 'c', 'd', 'e']);
  });

  it('puts grants of all instances first', () => {
    const stale = parts(['prometheus-aa', 'x'], { variables: new Map() });
    const decided = decide(
      {
        instances: new Map(['aa', 'bb'].map((name) => [name, instance()])),
        parts: new Map([
          ['aa', { ...stale, app: markedFor('aa') }],
          ['bb', { ...parts(['prometheus-bb', 'pay']), app: markedFor('bb') }],
        ]),
        teams: new Map(),
        troubles: [],
      },
      NO_MEMORY,
      0,
    );
    assert.deepEqual(
      decided.acts.map(({ kind, instance }) => `${kind} ${instance}`),
      ['revoke aa', 'revoke bb', 'restore_variables aa'],
    );
  });

  it('gives an app that lost both marks only these again, beside what its token may read', () => {
    const unmarked = app({ [OWNER_ANNOTATION]: 'nonsense', [BINDS_ANNOTATION]: 'nonsense' }, { tags: [], units: [] });
    assert.deepEqual(acts({ part: parts([OWN, 'pay'], { app: unmarked, variables: new Map(), volume: undefined }) }), [
      { kind: 'revoke', instance: 'one', app: 'pay' },
      { kind: 'restore_settings', instance: 'one' },
    ]);
  });

  it('makes a missing app again after the grace of a removal, and has nothing else to do before', () => {
    const world: World = { bound: ['pay'], part: { ...parts([OWN]), app: undefined } };
    const first = decide(facts(world), NO_MEMORY, 1_000);
    assert.deepEqual([first.acts, first.waiting], [[], [{ kind: 'restore_app', instance: 'one' }]]);
    assert.deepEqual(decide(facts(world), first.memory, MISSING_APP_GRACE_MS).acts, []);
    const due = decide(facts(world), first.memory, 1_000 + MISSING_APP_GRACE_MS);
    assert.deepEqual(due.acts, [{ kind: 'restore_app', instance: 'one' }]);
    const back = decide(facts({}), first.memory, 2_000);
    assert.deepEqual(decide(facts(world), back.memory, 1_000 + MISSING_APP_GRACE_MS).acts, [], 'it is counted anew');
  });

  it('makes the app of an instance again of which there is no part', () => {
    const lone: RoundFacts = { ...facts({}), parts: new Map() };
    const { memory } = decide(lone, NO_MEMORY, 0);
    assert.deepEqual(decide(lone, memory, MISSING_APP_GRACE_MS).acts, [{ kind: 'restore_app', instance: 'one' }]);
  });

  it('makes or binds a volume that was not right in two rounds, and none that is unknown', () => {
    const kinds = (volume: Parts['volume'], memory: Memory): string[] =>
      decide(facts({ part: parts([OWN], { volume }) }), memory, 60_000).acts.map(({ kind }) => kind);
    for (const volume of [undefined, { ...VOLUME, boundTo: [] }]) {
      const { acts: early, memory } = decide(facts({ part: parts([OWN], { volume }) }), NO_MEMORY, 0);
      assert.deepEqual(early, []);
      assert.deepEqual(kinds(volume, memory), ['restore_volume']);
      assert.deepEqual(kinds('unknown', memory), []);
      assert.deepEqual(kinds(VOLUME, memory), []);
    }
  });

  it('writes marks and settings again that were edited, and leaves the app of an earlier version alone', () => {
    const kinds = (own: App): string[] =>
      decide(facts({ part: parts([OWN], { app: own }) }), NO_MEMORY, 0).acts.map(({ kind }) => kind);
    const edited = ['restore_settings'];
    assert.deepEqual(kinds(app()), []);
    assert.deepEqual(kinds(app({}, { tags: [TAG] })), edited);
    assert.deepEqual(kinds(app({}, { tags: ['mine', ...TAGS] })), []);
    assert.deepEqual(kinds(app({ [OWNER_ANNOTATION]: '' })), edited);
    for (const name of ['settings', 'plan', 'bind-env'])
      assert.deepEqual(kinds(app({ [`prometheus-service/${name}`]: 'x' })), edited, name);
    const ofEarlierVersion = { 'prometheus-service/accepted': '' };
    assert.deepEqual(kinds(app(ofEarlierVersion)), []);
    assert.deepEqual(kinds(app({ ...ofEarlierVersion, 'prometheus-service/settings': '' })), edited);
  });

  it('removes nothing by a list that is empty and was not, and starts the grace period again after it', () => {
    const other = new Map([['other', instance()]]);
    const first = decide(facts({ instances: other }), NO_MEMORY, 0);
    const empty = decide(facts({ instances: new Map() }), first.memory, GRACE_MS);
    assert.deepEqual([empty.acts, empty.waiting], [[], []]);
    assert.match(empty.unknown ?? '', /is empty, and was not before/);
    const again = decide(facts({ instances: other }), empty.memory, GRACE_MS + 1);
    assert.deepEqual(again.acts, []);
    const fresh = decide(facts({ instances: new Map() }), NO_MEMORY, 0);
    assert.equal(fresh.unknown, undefined, 'a service that never had an instance');
    assert.equal(decide(facts({ instances: new Map() }), fresh.memory, GRACE_MS).acts.length, 3);
  });

  it('describes each act in one sentence', () => {
    const bound = new Map([['pay', 'shop']]);
    const all: readonly Act[] = [
      { kind: 'revoke', instance: 'one', app: 'pay' },
      { kind: 'grant', instance: 'one', app: 'pay' },
      { kind: 'confirm_binds', instance: 'one', binds: bound, before: new Map() },
      { kind: 'restore_app', instance: 'one' },
      { kind: 'restore_settings', instance: 'one' },
      { kind: 'restore_volume', instance: 'one' },
      { kind: 'restore_token', instance: 'one', apps: [] },
      { kind: 'restore_variables', instance: 'one' },
      { kind: 'deploy', instance: 'one' },
      { kind: 'remove', instance: 'one', what: 'app', maker: '' },
    ];
    const sentences = all.map((act) => describeAct(act, SERVICE));
    assert.equal(new Set(sentences).size, all.length);
    for (const sentence of sentences) assert.match(sentence, /prometheus-one|binds of one: pay/);
  });
});
