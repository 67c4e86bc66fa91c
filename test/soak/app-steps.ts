import { expect } from '../support/instance.ts';
import { createApp } from '../tsuru/client.ts';
import { BROKEN_NAMES, IMAGE_NAMES, processesOf } from './images.ts';
import type { Random } from './random.ts';
import type { Scene } from './scene.ts';
import type { Stage } from './stage.ts';
import { anApp, APP_NAMES, MOST_UNITS_PER_APP, type Step } from './step.ts';

const FIRST_APPS = 4;

/** Makes and binds the apps that a soak begins with. */
export async function createFirstApps(stage: Stage, random: Random): Promise<void> {
  for (const name of APP_NAMES.slice(0, FIRST_APPS)) {
    await create({ stage }, random, name);
    await stage.world.instance.bind(name);
    stage.bound.add(name);
  }
}

async function create({ stage }: Pick<Scene, 'stage'>, random: Random, name: string): Promise<string> {
  const image = random.pick(IMAGE_NAMES);
  const units = random.int(1, 3);
  await createApp(stage.world.admin, name, `${image}:1`, units);
  stage.apps.set(name, { image, hasSeveralVersions: false });
  return `${name} created with ${units} x ${image}`;
}

async function remove({ stage, guard }: Scene, name: string): Promise<void> {
  guard.releaseApp(name);
  await expect(stage.world.admin.call('DELETE', `/1.0/apps/${name}`), 200);
  stage.apps.delete(name);
}

async function deploy({ stage }: Scene, name: string, image: string, form: Readonly<Record<string, string>> = {}) {
  const whole = { image: `${image}:1`, origin: 'image', ...form };
  // A deploy that fails before anything was done is answered with 500.
  await expect(stage.world.admin.call('POST', `/1.0/apps/${name}/deploy`, { form: whole }), 200, 500);
}

export const APP_STEPS: readonly Step[] = [
  {
    kind: 'create app',
    weight: 5,
    async take(scene, random) {
      const { apps, bound, world } = scene.stage;
      const free = APP_NAMES.filter((name) => !apps.has(name));
      if (free.length === 0) return undefined;
      const name = random.pick(free);
      const created = await create(scene, random, name);
      if (bound.has(name) || random.chance(0.3)) return created;
      await world.instance.bind(name);
      bound.add(name);
      return `${created}, and bound`;
    },
  },
  {
    kind: 'remove app',
    weight: 1,
    async take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return undefined;
      await remove(scene, name);
      return `${name} removed`;
    },
  },
  {
    kind: 'replace app',
    weight: 1,
    async take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return undefined;
      await remove(scene, name);
      return `${name} removed, and at once ${await create(scene, random, name)}`;
    },
  },
  {
    kind: 'bind',
    weight: 4,
    async take({ stage }, random) {
      const free = [...stage.apps.keys()].filter((name) => !stage.bound.has(name));
      if (free.length === 0) return undefined;
      const name = random.pick(free);
      await stage.world.instance.bind(name);
      stage.bound.add(name);
      return `${name} bound`;
    },
  },
  {
    kind: 'unbind',
    weight: 1,
    async take({ stage, guard }, random) {
      // Tsuru takes no grant back of an app that is gone.
      const bound = [...stage.bound].filter((name) => stage.apps.has(name));
      if (bound.length === 0) return undefined;
      const name = random.pick(bound);
      guard.releaseApp(name);
      await stage.world.instance.unbind(name);
      stage.bound.delete(name);
      return `${name} unbound`;
    },
  },
  {
    kind: 'deploy',
    weight: 4,
    async take(scene, random) {
      const name = anApp(scene, random);
      const app = name === undefined ? undefined : scene.stage.apps.get(name);
      if (name === undefined || app === undefined) return undefined;
      const image = random.pick(IMAGE_NAMES);
      await deploy(scene, name, image);
      Object.assign(app, { image, hasSeveralVersions: false });
      return `${name} deployed with ${image}`;
    },
  },
  {
    kind: 'deploy beside',
    weight: 1,
    async take(scene, random) {
      const name = anApp(scene, random);
      const app = name === undefined ? undefined : scene.stage.apps.get(name);
      if (name === undefined || app === undefined || app.hasSeveralVersions) return undefined;
      if (scene.stage.world.tsuru.units(name).length > MOST_UNITS_PER_APP / 2) return undefined;
      const image = random.pick(IMAGE_NAMES);
      app.hasSeveralVersions = true;
      await deploy(scene, name, image, { 'new-version': 'true' });
      return `${name} deployed with ${image} beside ${app.image}`;
    },
  },
  {
    kind: 'failing deploy',
    weight: 1,
    async take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return undefined;
      const image = random.pick(BROKEN_NAMES);
      await deploy(scene, name, image);
      return `${name} deployed with ${image}, which failed`;
    },
  },
  {
    kind: 'hand over',
    weight: 1,
    async take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return undefined;
      const teamOwner = random.pick(['shop', 'ops']);
      await expect(scene.stage.world.admin.call('PUT', `/1.0/apps/${name}`, { json: { teamOwner } }), 200);
      return `${name} given to ${teamOwner}`;
    },
  },
  {
    kind: 'stop',
    weight: 1,
    async take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return undefined;
      const process = aProcess(scene, random, name);
      await life(scene, name, 'stop', process);
      return `${name} stopped${process === undefined ? '' : ` (${process})`}`;
    },
  },
  {
    kind: 'start',
    weight: 2,
    async take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return undefined;
      await life(scene, name, 'start', undefined);
      return `${name} started`;
    },
  },
  {
    kind: 'restart',
    weight: 1,
    async take(scene, random) {
      const name = anApp(scene, random);
      if (name === undefined) return undefined;
      const process = aProcess(scene, random, name);
      await life(scene, name, 'restart', process);
      return `${name} restarted${process === undefined ? '' : ` (${process})`}`;
    },
  },
];

/** One of an app's processes, or all. */
function aProcess({ stage }: Scene, random: Random, name: string): string | undefined {
  return random.chance(0.5) ? undefined : random.pick(processesOf(stage.apps.get(name)?.image ?? 'up'));
}

async function life({ stage }: Scene, name: string, change: string, process: string | undefined): Promise<void> {
  const form = process === undefined ? {} : { process };
  await expect(stage.world.admin.call('POST', `/1.0/apps/${name}/${change}`, { form }), 200, 500);
}
