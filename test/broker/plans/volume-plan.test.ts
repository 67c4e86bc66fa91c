import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Plan, Storage } from '../../../broker/plans/plan.ts';
import { unsuitableVolumePlan } from '../../../broker/plans/volume-plan.ts';

const START = 'The plan small cannot keep its data in the volume plan data, which';

const TABLE: readonly (readonly [
  kind: Storage['kind'],
  options: Readonly<Record<string, string>> | undefined,
  problem: string | undefined,
])[] = [
  ['tmpfs', { plugin: 'emptyDir' }, undefined],
  ['tmpfs', { plugin: 'emptyDir', medium: 'Memory' }, undefined],
  [
    'tmpfs',
    { plugin: 'emptyDir', medium: '' },
    'sets the medium "": storage of the kind tmpfs needs the medium Memory.',
  ],
  ['tmpfs', { plugin: 'nfs' }, 'has the plugin nfs: storage of the kind tmpfs needs the plugin emptyDir.'],
  ['tmpfs', undefined, undefined],
  ['ephemeral', { plugin: 'ephemeral', capacity: '1Gi' }, undefined],
  [
    'ephemeral',
    { plugin: 'emptyDir' },
    "is an emptyDir on the node's disk, where Kubernetes evicts a unit above 100 MiB: use the plugin ephemeral, or the kind tmpfs.",
  ],
  ['ephemeral', { plugin: 'emptyDir', medium: 'Memory' }, 'is in memory: set the kind of its storage to tmpfs.'],
  [
    'ephemeral',
    { plugin: 'nfs' },
    'has the plugin nfs, a volume that all units share: storage of the kind ephemeral needs the plugin ephemeral.',
  ],
];

describe('a plan is refused where its volume plan cannot hold what it promises', () => {
  for (const [kind, options, problem] of TABLE) {
    it(`${kind} on ${options === undefined ? 'a plan that Tsuru does not have' : JSON.stringify(options)}: ${problem ?? 'is taken'}`, () => {
      const plan: Plan = {
        ...{
          name: 'small',
          isDefault: true,
          description: '',
          details: '',
          tsuruPlan: 'c1m1',
          memoryBytes: 1,
          pool: '',
        },
        storage: { kind, volumePlan: 'data', sizeBytes: 1 },
        ...{ defaults: {}, ceilings: {} },
      };
      assert.equal(unsuitableVolumePlan(plan, options), problem === undefined ? undefined : `${START} ${problem}`);
    });
  }
});
