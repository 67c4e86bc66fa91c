import { expect } from '../support/instance.ts';
import { MEANINGS } from './annotations.ts';
import { processesOf } from './images.ts';
import type { Random } from './random.ts';
import type { Scene } from './scene.ts';
import { anApp, MOST_UNITS_PER_APP, type Step } from './step.ts';

const MOST_ONE_OFF_UNITS = 2;
/** What the JSON of a unit says that is at its end, and of one in problem. */
const STATUSES = ['stopped', 'succeeded', 'building', 'error', 'started'];

/** An app and the name of one of its units. */
function aUnit(scene: Scene, random: Random): { app: string; unit: string } | undefined {
  const app = anApp(scene, random);
  const units = app === undefined ? [] : scene.stage.world.tsuru.units(app);
  return app === undefined || units.length === 0 ? undefined : { app, unit: random.pick(units).name };
}

/** What happens to units. Those that need no answer of Tsuru also happen while it does not listen. */
export const UNIT_STEPS: readonly Step[] = [
  {
    kind: 'add units',
    weight: 6,
    async take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return undefined;
      const { tsuru, admin } = scene.stage.world;
      const count = Math.min(random.int(1, 3), MOST_UNITS_PER_APP - tsuru.units(name).length);
      if (count <= 0) return undefined;
      const process = random.pick(processesOf(scene.stage.apps.get(name)?.image ?? 'up'));
      const form = { units: count, process };
      // With several versions a process may be of the other one alone, which Tsuru refuses.
      await expect(admin.call('PUT', `/1.0/apps/${name}/units`, { form }), 200, 500);
      return `${name}: ${count} units of ${process} added`;
    },
  },
  {
    kind: 'remove units',
    weight: 4,
    async take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return undefined;
      const count = random.int(1, 2);
      const process = random.pick(processesOf(scene.stage.apps.get(name)?.image ?? 'up'));
      const path = `/1.0/apps/${name}/units?units=${count}&process=${process}`;
      // There may be fewer than that.
      await expect(scene.stage.world.admin.call('DELETE', path), 200, 500);
      return `${name}: ${count} units of ${process} removed`;
    },
  },
  {
    kind: 'crash unit',
    weight: 3,
    behindTsuru: true,
    take(scene, random) {
      const found = aUnit(scene, random);
      if (found === undefined) return Promise.resolve(undefined);
      scene.stage.world.tsuru.kill(found.unit);
      return Promise.resolve(`${found.unit} crashed`);
    },
  },
  {
    kind: 'replace unit',
    weight: 2,
    async take(scene, random) {
      const found = aUnit(scene, random);
      if (found === undefined) return undefined;
      await expect(scene.stage.world.admin.call('DELETE', `/1.0/apps/${found.app}/units/${found.unit}`), 200);
      return `${found.unit} deleted, so that another takes its place`;
    },
  },
  {
    kind: 'one-off unit',
    weight: 1,
    behindTsuru: true,
    take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return Promise.resolve(undefined);
      const { tsuru } = scene.stage.world;
      const isThere = tsuru.units(name).filter(({ process }) => process === '').length;
      if (isThere >= MOST_ONE_OFF_UNITS) return Promise.resolve(undefined);
      return Promise.resolve(`${tsuru.runIsolated(name).name} started with "tsuru app run"`);
    },
  },
  {
    kind: 'unit status',
    weight: 1,
    behindTsuru: true,
    take(scene, random) {
      const found = aUnit(scene, random);
      if (found === undefined) return Promise.resolve(undefined);
      const status = random.pick(STATUSES);
      scene.guard.releaseUnit(found.unit);
      scene.stage.world.tsuru.overrideUnit(found.unit, { Status: status });
      return Promise.resolve(`${found.unit} is said to be ${status}`);
    },
  },
  {
    kind: 'annotate',
    weight: 5,
    async take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return undefined;
      const key = random.pick(Object.keys(MEANINGS));
      const value = random.pick([...(MEANINGS[key]?.keys() ?? [])]);
      const item = { name: key, value, ...(random.chance(0.4) ? { delete: true } : {}) };
      const process = random.chance(0.3) ? random.pick(['web', 'worker']) : undefined;
      releaseIfItMayGo(scene, name, key);
      if (process !== undefined) scene.detailsChanged = true;
      const metadata = { annotations: [item] };
      const json = process === undefined ? { metadata } : { processes: [{ name: process, metadata }] };
      const { admin } = scene.stage.world;
      await expect(admin.call('PUT', `/1.0/apps/${name}`, { json: { ...json, noRestart: true } }), 200);
      return `${name}${process === undefined ? '' : ` (${process})`}: ${'delete' in item ? `${key} removed` : `${key}=${value}`}`;
    },
  },
];

/** Opting out takes targets away, and so does a port that is no longer annotated where a process has none of its own. */
function releaseIfItMayGo({ stage, guard }: Scene, app: string, key: string): void {
  if (key === 'prometheus.io/scrape') guard.releaseApp(app);
  const { image = '', hasSeveralVersions = false } = stage.apps.get(app) ?? {};
  if (key === 'prometheus.io/port' && (hasSeveralVersions || image.includes('worker'))) guard.releaseApp(app);
}
