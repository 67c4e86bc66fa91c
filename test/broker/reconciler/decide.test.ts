import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BINDS_ANNOTATION } from '../../../agent/shared/binds.ts';
import { AUTHORITIES, MAKER_ANNOTATION, VARIABLES } from '../../../broker/instances/parts/instance.ts';
import {
  decide,
  GRACE_MS,
  MOST_REMOVALS,
  NO_MEMORY,
  type Act,
  type Memory,
} from '../../../broker/reconciler/decide.ts';
import type { Parts, RoundFacts } from '../../../broker/reconciler/facts.ts';
import type { App, Unit } from '../../../broker/tsuru/app.ts';

const SERVICE = 'prometheus';
const OWN = 'prometheus-one';
const UNIT: Unit = { name: 'u', status: 'started', reason: '', isReady: true, address: '10.0.0.1:8888' };
const VALUES = new Map([
  [VARIABLES.token, 'a-token'],
  [VARIABLES.username, 'prometheus'],
  [VARIABLES.password, 'a-password-of-the-test'],
]);

function app(annotations: Readonly<Record<string, string>> = {}, more: Partial<App> = {}): App {
  return {
    ...{ name: OWN, pool: 'dev', cluster: '', team: 'shop', plan: 'c1m1', tags: [], units: [UNIT] },
    ...{ unitsError: '', address: '', cname: '', deploys: 1, annotations: new Map(Object.entries(annotations)) },
    ...more,
  };
}

function parts(grants: readonly string[], more: Partial<Parts> = {}): Parts {
  const roles = grants.map((context) => ({ name: 'prometheus-reader', context }));
  return {
    app: app(),
    token: { id: OWN, value: 'a-token', team: 'shop', description: '', roles },
    hasVolume: true,
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
  const instances = new Map([['one', { apps: bound, plan: '', parameters: {} }]]);
  return {
    instances: 'instances' in rest ? rest.instances : instances,
    parts: new Map([['one', part]]),
    teams: new Map(Object.entries(teams)),
    troubles: [],
  };
}

function acts(world: World, memory: Memory = NO_MEMORY, nowMs = 0): readonly Act[] {
  return decide(facts(world), memory, SERVICE, nowMs).acts;
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
      decide(facts({ part: parts([OWN], { variables }) }), NO_MEMORY, SERVICE, 0, authorities).acts.map(
        ({ kind }) => kind,
      );
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
    const first = decide(facts(world), NO_MEMORY, SERVICE, 0);
    assert.deepEqual(first.acts, []);
    const second = decide(facts(world), first.memory, SERVICE, 60_000);
    assert.deepEqual(second.acts, [{ kind: 'grant', instance: 'one', app: 'pay' }]);
    const healed = decide(facts({ ...world, part: parts([OWN, 'pay']) }), first.memory, SERVICE, 60_000);
    assert.deepEqual(healed.acts, []);
    assert.deepEqual(decide(facts(world), healed.memory, SERVICE, 120_000).acts, [], 'it is counted anew');
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
    const lacking = decide(facts({ part, instances: undefined }), NO_MEMORY, SERVICE, GRACE_MS * 2);
    assert.deepEqual(lacking.acts, []);
    assert.match(lacking.unknown ?? '', /lacks the service prometheus: .*service-instance\.read/);
    const { memory } = decide(facts({}), NO_MEMORY, SERVICE, 0);
    const empty = decide(facts({ part, instances: new Map() }), memory, SERVICE, GRACE_MS * 2);
    assert.deepEqual(empty.acts, []);
  });

  it('removes the parts of an instance that Tsuru does not know after the grace, app first', () => {
    const world: World = { instances: new Map([['other', { apps: [], plan: '', parameters: {} }]]) };
    const first = decide(facts(world), NO_MEMORY, SERVICE, 1_000);
    assert.deepEqual(first.acts, []);
    assert.deepEqual(decide(facts(world), first.memory, SERVICE, GRACE_MS).acts, [], 'the grace is not over');
    assert.deepEqual(
      decide(facts(world), first.memory, SERVICE, 1_000 + GRACE_MS).acts,
      ['app', 'volume', 'token'].map((what) => ({ kind: 'remove', instance: 'one', what, maker: '' })),
    );
  });

  it('starts the grace period again when a creation adopts the parts, or Tsuru lists the instance meanwhile', () => {
    const other = new Map([['other', { apps: [], plan: '', parameters: {} }]]);
    const leftover = (maker: string): RoundFacts =>
      facts({ instances: other, part: parts([OWN], { app: app({ [MAKER_ANNOTATION]: maker }) }) });
    const first = decide(leftover('a'), NO_MEMORY, SERVICE, 0);
    const claimed = decide(leftover('b'), first.memory, SERVICE, GRACE_MS);
    assert.deepEqual(claimed.acts, []);
    assert.equal(decide(leftover('b'), claimed.memory, SERVICE, 2 * GRACE_MS).acts.length, 3);
    const listed = decide(facts({}), first.memory, SERVICE, 60_000);
    assert.deepEqual(decide(leftover('a'), listed.memory, SERVICE, GRACE_MS).acts, []);
  });

  it('removes a few parts a round, and reports how many wait', () => {
    const names = ['a', 'b', 'c'];
    const many: RoundFacts = {
      instances: new Map([['other', { apps: [], plan: '', parameters: {} }]]),
      parts: new Map(names.map((name) => [name, parts([])])),
      teams: new Map(),
      troubles: [],
    };
    const { memory } = decide(many, NO_MEMORY, SERVICE, 0);
    const { acts: due, postponed } = decide(many, memory, SERVICE, GRACE_MS);
    assert.deepEqual([due.length, postponed], [MOST_REMOVALS, 9 - MOST_REMOVALS]);
  });

  it('tries all leftovers in turn, so that those which cannot be removed block no other', () => {
    const only = parts([], { token: undefined, hasVolume: false });
    const many: RoundFacts = {
      instances: new Map([['other', { apps: [], plan: '', parameters: {} }]]),
      parts: new Map(['a', 'b', 'c', 'd', 'e'].map((name) => [name, only])),
      teams: new Map(),
      troubles: [],
    };
    let { memory } = decide(many, NO_MEMORY, SERVICE, 0);
    const tried: string[] = [];
    for (let round = 1; round <= 2; round++) {
      const decision = decide(many, memory, SERVICE, GRACE_MS * round);
      tried.push(...decision.acts.map(({ instance }) => instance));
      memory = decision.memory;
    }
    assert.deepEqual([...new Set(tried)].sort(), ['a', 'b', 'c', 'd', 'e']);
  });

  it('puts grants of all instances first', () => {
    const stale = parts(['prometheus-a', 'x'], { variables: new Map() });
    const decided = decide(
      {
        instances: new Map(['a', 'b'].map((name) => [name, { apps: [], plan: '', parameters: {} }])),
        parts: new Map([
          ['a', stale],
          ['b', parts(['prometheus-b', 'pay'])],
        ]),
        teams: new Map(),
        troubles: [],
      },
      NO_MEMORY,
      SERVICE,
      0,
    );
    assert.deepEqual(
      decided.acts.map(({ kind, instance }) => `${kind} ${instance}`),
      ['revoke a', 'revoke b', 'restore_variables a'],
    );
  });
});
