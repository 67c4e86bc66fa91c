import type { Reply } from '../../tsuru/client.ts';
import { createApp } from '../../tsuru/client.ts';
import type { Random } from '../random.ts';
import { newlyKnown, partOf, SERVICE, type ServiceStage } from './stage.ts';

/** Something that a user does. */
export interface ServiceStep {
  readonly kind: string;
  readonly weight: number;
  /** Takes it, and tells what was done; undefined when there is nothing to do it to. Faults may let it fail in any way. */
  readonly take: (stage: ServiceStage, random: Random) => Promise<string | undefined>;
}

const RETENTIONS = ['1d', '2d', '3d', '4d', '5d'];
/** Creations that break off. */
const MOST_HALVES = 12;
/** What is added beside the first instances. */
const MOST_MORE = 12;

export interface ListedInstance {
  readonly name: string;
  readonly apps: readonly string[];
  readonly team_owner: string;
}

/** The instances as Tsuru knows them. @throws while a fault is there. */
export async function listInstances({ admin }: Pick<ServiceStage, 'admin'>): Promise<readonly ListedInstance[]> {
  const { status, body } = await admin.call('GET', '/1.0/services/instances');
  const services = (status === 200 ? JSON.parse(body) : []) as {
    service: string;
    service_instances: ListedInstance[] | null;
  }[];
  const listed = services.find(({ service }) => service === SERVICE)?.service_instances ?? [];
  if (listed.length === 0) throw new Error('the list of instances says nothing');
  return listed;
}

/** Errors after the first byte come inside the stream. */
function succeeded({ status, body }: Reply): boolean {
  return status >= 200 && status < 300 && !body.includes('"Error":"');
}

/** `tsuru service-instance-update` with one parameter; returns whether it was accepted. */
export async function update(
  stage: ServiceStage,
  name: string,
  retention: string,
  description: string,
): Promise<boolean> {
  const { admin, known } = stage;
  const state = known.get(name) ?? newlyKnown();
  known.set(name, state);
  state.isInDoubt = true;
  state.mayRestart = true;
  state.retentions.add(retention);
  const team = (await listInstances(stage)).find((listed) => listed.name === name)?.team_owner;
  if (team === undefined) return false;
  const form = { teamOwner: team, description, 'parameters.retention': retention };
  const reply = await admin.call('PUT', `/1.0/services/${SERVICE}/instances/${name}`, { form });
  if (!succeeded(reply)) return false;
  state.retentions.clear();
  state.retentions.add(retention);
  state.isInDoubt = false;
  return true;
}

async function anInstance(stage: ServiceStage, random: Random): Promise<ListedInstance | undefined> {
  const listed = [...(await listInstances(stage))].sort((a, b) => (a.name < b.name ? -1 : 1));
  return listed.length === 0 ? undefined : random.pick(listed);
}

/** What was done, with Tsuru's words if it was refused. */
export function told(what: string, reply: Reply): string {
  return succeeded(reply) ? what : `${what}: failed (${reply.status} ${reply.body.trim().slice(0, 200)})`;
}

const bindPath = (name: string, app: string): string => `/1.13/services/${SERVICE}/instances/${name}/apps/${app}`;

export const USER_STEPS: readonly ServiceStep[] = [
  {
    kind: 'bind',
    weight: 6,
    async take(stage, random) {
      const instance = await anInstance(stage, random);
      const free = stage.userApps.filter((app) => instance?.apps.includes(app) === false);
      if (instance === undefined || free.length === 0) return undefined;
      const app = random.pick(free);
      return told(
        `bind ${app} to ${instance.name}`,
        await stage.admin.call('PUT', bindPath(instance.name, app), { form: {} }),
      );
    },
  },
  {
    kind: 'unbind',
    weight: 4,
    async take(stage, random) {
      const instance = await anInstance(stage, random);
      if (instance === undefined || instance.apps.length === 0) return undefined;
      const app = random.pick([...instance.apps].sort());
      return told(
        `unbind ${app} from ${instance.name}`,
        await stage.admin.call('DELETE', bindPath(instance.name, app)),
      );
    },
  },
  {
    kind: 'update',
    weight: 4,
    async take(stage, random) {
      const instance = await anInstance(stage, random);
      if (instance === undefined) return undefined;
      const retention = random.pick(RETENTIONS);
      const isDone = await update(stage, instance.name, retention, `d-${random.int(1, 1_000_000)}`);
      return `update ${instance.name} to retention=${retention}${isDone ? '' : ': failed'}`;
    },
  },
  {
    kind: 'refused update',
    weight: 2,
    async take(stage, random) {
      const instance = await anInstance(stage, random);
      if (instance === undefined) return undefined;
      // An app that is made again has the plan's own, as the refused one is left out.
      stage.known.get(instance.name)?.retentions.add('');
      const isDone = await update(stage, instance.name, 'soon', `d-${random.int(1, 1_000_000)}`);
      stage.known.get(instance.name)?.retentions.delete('soon');
      if (isDone) throw new Error(`${instance.name} accepted retention=soon`);
      return `update ${instance.name} to retention=soon, which is refused`;
    },
  },
  {
    kind: 'add',
    weight: 3,
    async take(stage, random) {
      const { known, first, admin } = stage;
      const listed = await listInstances(stage);
      if (listed.length - first.length >= MOST_MORE) return undefined;
      const gone = first.filter((name) => listed.every((instance) => instance.name !== name));
      const name = gone.length > 0 && random.chance(0.5) ? random.pick(gone) : `more-${random.int(1, 10_000)}`;
      known.set(name, { ...newlyKnown(), mayRestart: true });
      const form = { name, owner: random.pick(['shop', 'ops']) };
      return told(`add ${name}`, await admin.call('POST', `/1.0/services/${SERVICE}/instances`, { form }));
    },
  },
  {
    kind: 'remove',
    weight: 2,
    async take(stage, random) {
      const instance = await anInstance(stage, random);
      if (instance === undefined) return undefined;
      const state = stage.known.get(instance.name);
      if (state !== undefined) state.mayRestart = true;
      const path = `/1.0/services/${SERVICE}/instances/${instance.name}?unbindall=true`;
      return told(`remove ${instance.name}`, await stage.admin.call('DELETE', path));
    },
  },
  {
    kind: 'replace app',
    weight: 2,
    async take({ admin, userApps }, random) {
      const app = random.pick(userApps);
      const reply = await admin.call('DELETE', `/1.0/apps/${app}`);
      if (random.chance(0.3)) return told(`remove the app ${app}`, reply);
      await createApp(admin, app, 'shop/app:1');
      return told(`remove the app ${app}, and make it again`, reply);
    },
  },
  {
    kind: 'hand over',
    weight: 1,
    async take({ admin, userApps }, random) {
      const app = random.pick(userApps);
      const json = { teamOwner: random.pick(['shop', 'ops']), noRestart: true };
      return told(`give ${app} to ${json.teamOwner}`, await admin.call('PUT', `/1.0/apps/${app}`, { json }));
    },
  },
  {
    kind: 'broken-off creation',
    weight: 1,
    async take(stage, random) {
      // Three parts are removed in a round: more would take longer than the soak.
      if (++stage.halves > MOST_HALVES) return undefined;
      // Tsuru knows nothing of it, as if it had ended meanwhile.
      const name = `half-${random.int(1, 10_000)}`;
      return told(`half an instance ${name}`, await stage.ask('POST', '/resources', { name, team: 'shop' }));
    },
  },
];

/** An instance to meddle with, and the name of its parts. */
export async function aPart(
  stage: ServiceStage,
  random: Random,
): Promise<{ readonly instance: ListedInstance; readonly part: string } | undefined> {
  const instance = await anInstance(stage, random);
  return instance === undefined ? undefined : { instance, part: partOf(instance.name) };
}
