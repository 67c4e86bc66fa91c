import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assess } from '../../../broker/instances/assess.ts';
import type { Facts } from '../../../broker/instances/gather.ts';
import type { App, Unit } from '../../../broker/tsuru/app.ts';

const UNIT: Unit = { name: 'u1', status: 'started', reason: '', isReady: true, address: '10.0.0.1:8888' };
const APP: App = {
  ...{ name: 'prometheus-x', pool: 'dev', cluster: '', team: 'shop', plan: 'c1m1', tags: [] },
  ...{ annotations: new Map(), units: [UNIT], unitsError: '', address: 'x.example.com', deploys: 1 },
};
const WELL: Facts = {
  app: { kind: 'known', value: APP },
  deploy: { kind: 'known', value: { id: '1', isRunning: false, error: '' } },
  ...{ password: { kind: 'known', value: 'secret' }, username: 'prometheus', boundApps: { kind: 'known', value: [] } },
  address: 'http://x.example.com',
  agent: { kind: 'answered', status: { isReady: true, problems: [], syncProblem: '', apps: [] } },
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

describe('an instance', () => {
  for (const [what, facts, kind, words] of [
    ['is up when all is well', WELL, 'up', /^$/],
    ['is unknown when Tsuru does not tell its app', { ...WELL, app: UNKNOWN }, 'trouble', /cannot tell at present/],
    [
      'is gone without an app',
      { ...WELL, app: { kind: 'known', value: undefined } },
      'trouble',
      /remove the instance, and add it again/,
    ],
    [
      'is unknown when its units are',
      withApp({ units: [], unitsError: 'unable to list app units: timeout' }),
      'trouble',
      /cannot tell its units/,
    ],
    [
      'is being deployed while the deploy runs and nothing is ready',
      { ...withUnits({ isReady: false, status: 'starting' }), deploy: deploying },
      'deploying',
      /^$/,
    ],
    [
      'is being deployed before its first deploy',
      { ...withApp({ units: [] }), deploy: { kind: 'known', value: undefined } },
      'deploying',
      /^$/,
    ],
    [
      'tells why its first deploy failed',
      { ...withApp({ units: [] }), deploy: failed },
      'trouble',
      /^its deploy failed: no room for it; remove it/,
    ],
    [
      'tells that an older version runs on',
      { ...WELL, deploy: failed },
      'trouble',
      /an older version runs on: no room for it$/,
    ],
    ['is stopped without units', withApp({ units: [] }), 'trouble', /tsuru app-start -a prometheus-x/],
    [
      'tells that memory ran out',
      withUnits({ isReady: false, status: 'error', reason: 'OOMKilled' }),
      'trouble',
      /ran out of memory: choose a larger plan/,
    ],
    [
      'is down with the reason when it crashes',
      withUnits({ isReady: false, status: 'error', reason: 'exitCode: 1' }),
      'down',
      /\(exitCode: 1\).+tsuru app-log -a prometheus-x/,
    ],
    ['has one unit too many', withUnits({}, { name: 'u2' }), 'trouble', /tsuru unit-remove 1 -a prometheus-x/],
    ['may have two units while it is deployed', { ...withUnits({}, { name: 'u2' }), deploy: deploying }, 'up', /^$/],
    ['cannot be asked without an address', { ...WELL, address: '', agent: undefined }, 'trouble', /no address/],
    [
      'cannot be asked while its password is unknown',
      { ...WELL, password: UNKNOWN, agent: undefined },
      'trouble',
      /cannot tell at present/,
    ],
    [
      'cannot be asked when its password is gone',
      { ...WELL, password: { kind: 'known', value: undefined }, agent: undefined },
      'trouble',
      /lost its password/,
    ],
    [
      'does not take its own password',
      { ...WELL, agent: { kind: 'refused' } },
      'trouble',
      /tsuru app-restart -a prometheus-x/,
    ],
    [
      'is down when it is silent',
      { ...WELL, agent: { kind: 'silent', reason: 'ECONNREFUSED' } },
      'down',
      /ECONNREFUSED/,
    ],
    [
      'is being deployed when it is silent meanwhile',
      { ...WELL, deploy: deploying, agent: { kind: 'silent', reason: 'x' } },
      'deploying',
      /^$/,
    ],
  ] as readonly (readonly [string, Facts, string, RegExp])[]) {
    it(what, () => {
      const assessment = assess(facts, 'prometheus-x');
      assert.equal(assessment.kind, kind);
      const text = 'text' in assessment ? assessment.text : '';
      assert.match(text, words);
      assert.ok(text.length <= 400 && !text.includes('\n'));
    });
  }
});
