import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressOf } from '../../../broker/instances/parts/instance.ts';
import type { App, Unit } from '../../../broker/tsuru/app.ts';

const UNIT: Unit = { name: 'u1', status: 'started', reason: '', isReady: true, address: '10.0.0.1:8888' };
const appAt = (address: string, units: readonly Unit[] = [UNIT]): App => ({
  ...{ name: 'prometheus-x', pool: 'dev', cluster: '', team: 'shop', plan: 'c1m1', tags: [] },
  ...{ annotations: new Map(), units, unitsError: '', address, cname: '', deploys: 1 },
});

describe('the address of an instance', () => {
  for (const [what, template, app, wanted] of [
    ['is its router’s', 'http://{address}', appAt('x.example.com'), 'http://x.example.com'],
    ['has the scheme of the template', 'https://{address}', appAt('x.example.com'), 'https://x.example.com'],
    ['has the port of its router', 'http://{address}', appAt('x.example.com:8080'), 'http://x.example.com:8080'],
    [
      'has the scheme that its router tells',
      'http://{address}',
      appAt('https://x.example.com'),
      'https://x.example.com',
    ],
    ['has it once', 'https://{address}/', appAt('https://x.example.com/'), 'https://x.example.com/'],
    ['keeps what else is in the template', 'http://{address}:81/a', appAt('https://x.org'), 'https://x.org:81/a'],
    ['may be behind another', 'http://proxy.org/{address}', appAt('https://x.org'), 'http://proxy.org/x.org'],
    ['may be that of its unit', 'http://{unit}', appAt(''), 'http://10.0.0.1:8888'],
    ['is none before there is one', 'http://{address}', appAt(''), ''],
    ['is none without a unit where that is asked for', 'http://{unit}', appAt('x.example.com', []), ''],
  ] as const) {
    it(what, () => {
      assert.equal(addressOf(template, app), wanted);
    });
  }
});
