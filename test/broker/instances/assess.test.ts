import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assess, statusText } from '../../../broker/instances/assess.ts';
import type { AgentApp, AgentStatus, TargetUnit } from '../../../broker/instances/agent-status.ts';
import type { Facts } from '../../../broker/instances/gather.ts';
import type { App, Unit } from '../../../broker/tsuru/app.ts';

type Health = NonNullable<TargetUnit['health']>;

const UNIT: Unit = { name: 'u1-5d4f8', status: 'started', reason: '', isReady: true, address: '10.0.0.1:8888' };
const APP: App = {
  ...{ name: 'prometheus-x', pool: 'dev', cluster: '', team: 'shop', plan: 'c1m1', tags: [] },
  ...{ annotations: new Map(), units: [UNIT], unitsError: '', address: 'x.example.com', cname: '', deploys: 1 },
};
const RUNS_WELL: AgentStatus = {
  ready: true,
  token: '',
  problems: [],
  sync: {},
  versions: { agent: '', prometheus: '' },
  storage: { used: undefined, size: undefined },
  apps: [],
};
const WELL: Facts = {
  app: { kind: 'known', value: APP },
  deploy: { kind: 'known', value: { id: '1', isRunning: false, error: '' } },
  ...{ password: { kind: 'known', value: 'secret' }, username: 'prometheus', boundApps: { kind: 'known', value: [] } },
  ...{ lostGrants: [], stored: { kind: 'unknown' }, outdated: undefined },
  address: 'http://x.example.com',
  agent: { kind: 'answered', status: RUNS_WELL },
};
const UNKNOWN = { kind: 'unknown' } as const;

const withApp = (change: Partial<App>): Facts => ({ ...WELL, app: { kind: 'known', value: { ...APP, ...change } } });
const withUnits = (...units: readonly Partial<Unit>[]): Facts =>
  withApp({ units: units.map((unit) => ({ ...UNIT, ...unit })) });
const deploying = { kind: 'known', value: { id: '2', isRunning: true, error: '' } } as const;
const failed = {
  kind: 'known',
  value: {
    id: '2',
    isRunning: false,
    error: '\n**** ROLLING BACK AFTER FAILURE ****\n\n---- ERROR during deploy: ----\nno room for it\n',
  },
} as const;

const answered = (status: Partial<AgentStatus>): Facts => ({
  ...WELL,
  agent: { kind: 'answered', status: { ...RUNS_WELL, ...status } },
});
const unit = (health: Health): TargetUnit => ({ unit: 'u', health });
const shop = (...healths: readonly Health[]): AgentApp => ({
  ...{ name: 'shop', problems: [] },
  units: healths.map(unit),
});
const UPDATE = 'tsuru service-instance-update prometheus x';

/** What is known, and what a user reads behind `Service instance "x" is`. */
const TABLE: readonly (readonly [what: string, facts: Facts, read: string])[] = [
  ['all is well', WELL, 'up'],
  ['Tsuru does not tell its app', { ...WELL, app: UNKNOWN }, 'unknown: Tsuru did not answer in time; try again'],
  [
    'its app is gone',
    { ...WELL, app: { kind: 'known', value: undefined } },
    'gone: its app prometheus-x was removed, or belongs to somebody else; run "tsuru service-instance-remove prometheus x" and add it again',
  ],
  [
    'Tsuru cannot list its units, and the agent answers',
    withApp({ units: [], unitsError: 'unable to list app units: timeout' }),
    'degraded: Tsuru cannot list its units (unable to list app units: timeout), scraping continues; it is up',
  ],
  [
    'Tsuru cannot list its units, and nobody answers',
    { ...withApp({ units: [], unitsError: 'unable to list app units: timeout' }), agent: undefined },
    'unknown: Tsuru cannot list its units (unable to list app units: timeout); try again',
  ],
  [
    'its deploy runs and nothing is ready',
    { ...withUnits({ isReady: false, status: 'starting' }), deploy: deploying },
    'pending',
  ],
  ['it was never deployed', { ...withApp({ units: [] }), deploy: { kind: 'known', value: undefined } }, 'pending'],
  [
    'its first deploy failed',
    { ...withApp({ units: [] }), deploy: failed },
    `not deployed: no room for it; run "${UPDATE} -d retry-2" to try again`,
  ],
  [
    'a later deploy failed',
    { ...WELL, deploy: failed },
    'degraded: the last deploy failed, and the version before keeps running (no room for it); it is up',
  ],
  ['it has no units', withApp({ units: [] }), 'stopped: run "tsuru app-start -a prometheus-x"'],
  [
    'memory ran out',
    withUnits({ isReady: false, status: 'error', reason: 'OOMKilled' }),
    `out of memory: choose a larger plan with "${UPDATE} -p PLAN", or bind fewer apps`,
  ],
  [
    'it crashes',
    withUnits({ isReady: false, status: 'error', reason: 'exitCode: 1' }),
    'not ready: its unit reports "exitCode: 1"; see "tsuru app-log -a prometheus-x"',
  ],
  [
    'it has one unit too many',
    withUnits({}, { name: 'u2' }),
    'degraded: 2 units hold separate data behind one address; run "tsuru unit-remove 1 -a prometheus-x"; it is up',
  ],
  ['it has two units while it is deployed', { ...withUnits({}, { name: 'u2' }), deploy: deploying }, 'up'],
  [
    'it has no address',
    { ...WELL, address: '', agent: undefined },
    'unreachable: it has no address; ask an administrator whether its pool has a router',
  ],
  [
    'its password is unknown',
    { ...WELL, password: UNKNOWN, agent: undefined },
    'unknown: Tsuru did not answer in time; try again',
  ],
  [
    'its password was unset',
    { ...WELL, password: { kind: 'known', value: undefined }, agent: undefined },
    'degraded: its password was unset; a new one is set within two minutes; it is up',
  ],
  [
    'its gateway rejects its password',
    { ...WELL, agent: { kind: 'refused', isOfGateway: true }, outdated: 'password' },
    `in need of a restart: it rejects its own password; run "${UPDATE} -d restart-5d4f8" (its history is lost)`,
  ],
  [
    'something before it rejects its password',
    { ...WELL, agent: { kind: 'refused' } },
    'not answering: what stands before it wants another password; ask an administrator',
  ],
  [
    'its token was made again',
    { ...WELL, outdated: 'token' },
    `degraded: its unit has an old token and follows no changes; run "${UPDATE} -d restart-5d4f8" (its history is lost); it is up`,
  ],
  [
    'it is silent',
    { ...WELL, agent: { kind: 'silent', reason: 'ECONNREFUSED' } },
    'not answering (ECONNREFUSED): see "tsuru app-log -a prometheus-x"',
  ],
  [
    'it is silent while it is deployed',
    { ...WELL, deploy: deploying, agent: { kind: 'silent', reason: 'x' } },
    'pending',
  ],
  ['the agent is not ready', answered({ ready: false }), 'pending'],
  [
    'the agent is not ready and says why',
    answered({ ready: false, problems: ['Prometheus replays its log'] }),
    'not ready: Prometheus replays its log',
  ],
  [
    'targets are down',
    answered({ apps: [shop('up', 'down', 'up'), shop('down', 'unknown')] }),
    'degraded: 2 of 5 targets are down; see "tsuru service-instance-info prometheus x"; it is up',
  ],
  [
    'a grant was taken away and a target is down',
    { ...answered({ apps: [shop('down')] }), lostGrants: ['pay'] },
    'degraded: 1 of 1 target is down (and 1 more problem); see "tsuru service-instance-info prometheus x"; it is up',
  ],
  [
    'a problem is long',
    answered({ problems: ['x'.repeat(500)] }),
    `degraded: ${'x'.repeat(109)}…; see "tsuru service-instance-info prometheus x"; it is up`,
  ],
  [
    'Prometheus fails to run what it has loaded',
    answered({
      problems: [
        'rule all:up (group shop) fails: vector contains metrics with the same labelset after applying rule labels; correct it in the setting rules (since 2026-11-27T16:04:44.123Z)',
      ],
    }),
    'degraded: rule all:up (group shop) fails: vector contains metrics with the same labelset afte… (since 2026-11-27T16:04Z); see "tsuru service-instance-info prometheus x"; it is up',
  ],
];

describe('the status of an instance reads as the end of a sentence when', () => {
  for (const [what, facts, read] of TABLE) {
    it(what, () => {
      const assessment = assess(facts, 'prometheus-x', { service: 'prometheus', instance: 'x' });
      const { kind } = assessment;
      const text = kind === 'up' ? 'up' : kind === 'deploying' ? 'pending' : statusText(assessment);
      assert.equal(text, read);
      assert.ok(text.length <= 200);
    });
  }
});

describe('the status of an instance ends with the whole command that helps', () => {
  const name = 'a-name-of-forty-characters-as-Tsuru-takes';
  const id = { service: 'prometheus', instance: name };
  const part = `prometheus-${name}`;
  const long = 'a long reason '.repeat(40);
  const cases: readonly (readonly [what: string, facts: Facts, end: string])[] = [
    [
      'after two long problems',
      answered({ problems: [long, long] }),
      ` (and 1 more problem); see "tsuru service-instance-info prometheus ${name}"; it is up`,
    ],
    [
      'after a long error of a deploy',
      { ...withApp({ units: [] }), deploy: { kind: 'known', value: { id: '2', isRunning: false, error: long } } },
      `; run "tsuru service-instance-update prometheus ${name} -d retry-2" to try again`,
    ],
    [
      'after a long reason of a unit',
      withUnits({ isReady: false, status: 'error', reason: long }),
      `"; see "tsuru app-log -a prometheus-x"`,
    ],
    [
      'after a long reason of a silent agent',
      { ...WELL, agent: { kind: 'silent', reason: long } },
      `): see "tsuru app-log -a ${part}"`,
    ],
  ];
  for (const [what, facts, end] of cases) {
    it(what, () => {
      const assessment = assess(facts, part, id);
      assert.ok(assessment.kind === 'trouble' || assessment.kind === 'degraded');
      const text = statusText(assessment);
      assert.ok(text.endsWith(end), text);
      assert.ok(text.length <= 200);
    });
  }
});
