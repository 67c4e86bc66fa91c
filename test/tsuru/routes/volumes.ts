import { demand } from '../callers.ts';
import { badRequest, conflict, notFound, TsuruError } from '../errors.ts';
import {
  CREATED,
  json,
  JSON_STREAM,
  list,
  messageJson,
  OK,
  type Answer,
  type Call,
  type Output,
  type Route,
} from '../http.ts';
import { child, flag, text, type Tree } from '../input.ts';
import { permits, type Context } from '../permissions.ts';
import { assertVolumePlan, findPool } from '../pools.ts';
import type { App, State } from '../state.ts';
import { bindJson, type Volume, type VolumeBind, type VolumeOptions } from '../volumes.ts';
import { assertOnApp, restart, type World } from '../world.ts';

const NAME = /^[a-z][a-z0-9-]{0,39}$/;
const BAD_NAME =
  'Invalid volume name, volume name should have at most 40 characters, containing only lower case letters, numbers or dashes, starting with a letter.';

export function volumeRoutes(world: World): Route[] {
  const { state } = world;
  const named = ({ params }: Call): Volume => {
    const volume = state.volumes.get(params['volume'] ?? '');
    if (volume === undefined) throw notFound('volume not found');
    return volume;
  };
  return [
    {
      method: 'GET',
      path: '/volumeplans',
      answer: ({ caller }) => {
        demand(caller, 'volume.create');
        const plans = [...state.volumePlans].map(([Name, Opts]) => ({ Name, Opts }));
        return json({ kubernetes: plans });
      },
    },
    {
      method: 'GET',
      path: '/volumes',
      answer: ({ caller }) =>
        list(
          [...state.volumes.values()]
            .filter((volume) => permits(caller.permissions, 'volume.read', volumeContexts(volume)))
            .map((volume) => volumeJson(state, volume)),
        ),
    },
    { method: 'POST', path: '/volumes', answer: (call) => createVolume(world, call) },
    {
      method: 'GET',
      path: '/volumes/:volume',
      answer: (call) => {
        const volume = named(call);
        demand(call.caller, 'volume.read', volumeContexts(volume));
        return json(volumeJson(state, volume));
      },
    },
    {
      method: 'POST',
      path: '/volumes/:volume',
      answer: (call) =>
        changeVolume(world, call, 'volume.update', named(call), (volume) => {
          if (isDisk(state, volume) && hasUnits(state, volume)) throw new TsuruError(ALREADY_PROVISIONED);
          const spec = specOf(state, call);
          assertSpec(state, spec);
          Object.assign(volume, spec);
        }),
    },
    {
      method: 'DELETE',
      path: '/volumes/:volume',
      answer: (call) =>
        changeVolume(world, call, 'volume.delete', named(call), ({ name, binds }) => {
          if (binds.length > 0) throw new TsuruError('cannot delete volume with existing binds');
          state.volumes.delete(name);
        }),
    },
    { method: 'POST', path: '/volumes/:volume/bind', answer: (call) => changeBind(world, call, named(call), 'bind') },
    {
      method: 'DELETE',
      path: '/volumes/:volume/bind',
      answer: (call) => changeBind(world, call, named(call), 'unbind'),
    },
  ];
}

/** What an update sets as well: all of it, whether named or not. */
type VolumeSpec = Omit<Volume, 'name' | 'binds'>;

function specOf(state: State, { body: { tree } }: Call): VolumeSpec {
  const plan = text(child(tree, 'Plan'), 'Name');
  const options = optionsOf(tree);
  const { plugin = '', ...ofThePlan } = state.volumePlans.get(plan) ?? {};
  const spec = { pool: text(tree, 'Pool'), plan, teamOwner: text(tree, 'TeamOwner') };
  if (plugin !== DISK) return { ...spec, options };
  // Looked at, and forgotten: tsuru's sources, provision/kubernetes/volume.go.
  const { capacity = '', 'access-modes': accessModes = '', ...kept } = options;
  const both = { capacity, 'access-modes': accessModes };
  for (const [name, value] of Object.entries(both)) {
    if (value === '' && ofThePlan[name] === undefined) {
      throw new TsuruError(`${name} is mandatory either in plan or as volume opts`);
    }
  }
  return { ...spec, options: kept };
}

/** A disk of each unit's own; once there is one, its volume stays as it is. */
const DISK = 'ephemeral';
const ALREADY_PROVISIONED =
  'updating a volume already provisioned is not supported, a new volume must be created and the old one deleted if necessary';

function isDisk({ volumePlans }: State, { plan }: VolumeSpec): boolean {
  return volumePlans.get(plan)?.['plugin'] === DISK;
}

function hasUnits({ apps }: State, { binds }: Volume): boolean {
  return binds.some(({ app }) => (apps.get(app)?.units.size ?? 0) > 0);
}

function assertSpec(state: State, { pool, plan, teamOwner }: VolumeSpec): void {
  assertVolumePlan(state, findPool(state, pool), plan);
  if (!state.teams.includes(teamOwner)) throw new TsuruError('team not found');
}

function createVolume({ state, events }: World, call: Call): Promise<Answer> {
  const { caller, body } = call;
  const spec = specOf(state, call);
  const volume: Volume = { name: text(body.tree, 'Name'), ...spec, binds: [] };
  demand(caller, 'volume.create', volumeContexts(volume));
  assertSpec(state, volume);
  const target = { type: 'volume', value: volume.name };
  return events.run({ kind: 'volume.create', target, owner: caller.owner }, () => {
    if (state.volumes.has(volume.name)) throw conflict('volume already exists');
    if (!NAME.test(volume.name)) throw badRequest(BAD_NAME);
    state.volumes.set(volume.name, volume);
    return Promise.resolve(CREATED);
  });
}

async function changeVolume(
  { events }: World,
  { caller }: Call,
  kind: string,
  volume: Volume,
  work: (volume: Volume) => void,
): Promise<Answer> {
  demand(caller, kind, volumeContexts(volume));
  const target = { type: 'volume', value: volume.name };
  await events.run({ kind, target, owner: caller.owner }, () => {
    work(volume);
    return Promise.resolve();
  });
  return OK;
}

/** Binds a volume to an app, or takes it away; units that run have it only after the restart. */
function changeBind(world: World, call: Call, volume: Volume, action: 'bind' | 'unbind'): Answer | Promise<Answer> {
  const { caller, query, body } = call;
  const asked = (name: string): string => query.get(name) ?? text(body.tree, name);
  demand(caller, `volume.update.${action}`, volumeContexts(volume));
  const app = appNamed(world.state, asked('App'));
  assertOnApp(call, `app.update.${action}-volume`, app);
  const bind = {
    app: app.name,
    mountPoint: asked('MountPoint'),
    readOnly: flag({ ReadOnly: asked('ReadOnly') }, 'ReadOnly'),
  };
  const change = {
    kind: `volume.update.${action}`,
    target: { type: 'volume', value: volume.name },
    owner: caller.owner,
  };
  const run = (output?: Output): Promise<void> =>
    world.events.run(change, async (event) => {
      volume.binds = action === 'bind' ? withBind(world.state, volume, bind) : withoutBind(volume, bind);
      if (output === undefined) return;
      await restart(world, app, (message) => {
        event.log.push({ date: new Date(), message });
        output.write(messageJson(message));
      });
    });
  return flag({ NoRestart: asked('NoRestart') }, 'NoRestart')
    ? run().then(() => OK)
    : { contentType: JSON_STREAM, run };
}

function withBind({ volumes }: State, { binds }: Volume, bind: VolumeBind): VolumeBind[] {
  const taken = [...volumes.values()].flatMap((volume) => volume.binds);
  if (!bind.mountPoint.startsWith('/')) throw badRequest('mount point must be an absolute path');
  if (taken.some(({ app, mountPoint }) => app === bind.app && mountPoint === bind.mountPoint)) {
    throw conflict('volume already bound in mountpoint');
  }
  return [...binds, bind];
}

function withoutBind({ binds }: Volume, { app, mountPoint }: VolumeBind): VolumeBind[] {
  const kept = binds.filter((bind) => bind.app !== app || bind.mountPoint !== mountPoint);
  if (kept.length === binds.length) throw notFound('volume bind not found');
  return kept;
}

function appNamed({ apps }: State, name: string): App {
  const app = apps.get(name);
  if (app === undefined) throw notFound(`App ${name} not found.`);
  return app;
}

function volumeContexts({ name, teamOwner, pool }: Volume): Context[] {
  return [
    { type: 'volume', value: name },
    { type: 'team', value: teamOwner },
    { type: 'pool', value: pool },
  ];
}

function optionsOf(tree: Tree): VolumeOptions {
  return Object.fromEntries(Object.entries(child(tree, 'Opts')).map(([name, value]) => [name, String(value)]));
}

function volumeJson({ volumePlans }: State, volume: Volume): Record<string, unknown> {
  const { name, pool, plan, teamOwner, options, binds } = volume;
  return {
    Name: name,
    Pool: pool,
    Plan: { Name: plan, Opts: volumePlans.get(plan) ?? null },
    TeamOwner: teamOwner,
    Status: '',
    Binds: binds.length === 0 ? null : binds.map((bind) => bindJson(name, bind)),
    Opts: options,
  };
}
