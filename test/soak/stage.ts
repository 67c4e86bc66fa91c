import { join } from 'node:path';
import { BINDS_ANNOTATION } from '../../agent/shared/binds.ts';
import { freeAddress } from '../support/address.ts';
import type { RunningAgent } from '../support/agent.ts';
import type { RunningPrometheus } from '../support/prometheus.ts';
import { expect } from '../support/instance.ts';
import { startWorld, type World } from '../support/world.ts';
import { soakImages } from './images.ts';

/** Long enough for every image whose units get ready at all. */
const DEPLOY_TIMEOUT_MS = 3_000;

/**
 * Limits within which the agent is at home. Without them Node lets its heap grow for minutes before it clears it, which looks like a leak;
 * with them a real one shows soon.
 */
const HEAP_LIMITS = '--max-old-space-size=64 --max-semi-space-size=1';

/** What the steps have made of an app. */
export interface SoakApp {
  /** The image of the newest version. */
  image: string;
  /** Whether a version was added beside another one. */
  hasSeveralVersions: boolean;
}

/** The real thing: a local Tsuru, the agent and Prometheus as processes of their own, and what the steps know of the apps. */
export interface Stage extends AsyncDisposable {
  readonly world: World;
  /** Where the agent keeps its files. */
  readonly agentFolder: string;
  readonly apps: Map<string, SoakApp>;
  /** The apps that the instance's token may read, also those that are gone. */
  readonly bound: Set<string>;
  /** The agent that runs, or ran last. */
  agent(): RunningAgent;
  prometheus(): RunningPrometheus;
  /** As the broker does each minute: confirms which apps are bound, and whose they are. */
  confirmBinds(): Promise<void>;
  /** Starts the next agent where the last one was. */
  startAgent(): Promise<void>;
  /** Starts Prometheus again with the data and the configuration of the last one. */
  startPrometheus(): Promise<void>;
}

export async function startStage(): Promise<Stage> {
  const world = await startWorld({ images: soakImages, delays: { deployTimeoutMs: DEPLOY_TIMEOUT_MS } });
  // The agent's address is a part of Prometheus' configuration.
  const options = { host: freeAddress(), env: { NODE_OPTIONS: HEAP_LIMITS, TSURU_APPNAME: world.instance.app } };
  const { admin, instance } = world;
  const bound = new Set<string>();
  try {
    const own = { name: instance.app, teamOwner: 'shop', pool: 'dev' };
    await expect(admin.call('POST', '/1.0/apps', { json: own }), 201);
    await instance.bind(instance.app);
    let agent = await world.startAgent(options);
    let prometheus = await world.startPrometheus();
    return {
      world,
      agentFolder: join(world.folder, 'agent'),
      apps: new Map(),
      bound,
      agent: () => agent,
      prometheus: () => prometheus,
      async confirmBinds() {
        const { body } = await expect(admin.call('GET', '/1.0/apps'), 200);
        const listed = JSON.parse(body) as { readonly name: string; readonly teamowner: string }[];
        const teams = listed.filter(({ name }) => bound.has(name)).map(({ name, teamowner }) => [name, teamowner]);
        await world.annotate(instance.app, { [BINDS_ANNOTATION]: JSON.stringify(Object.fromEntries(teams)) });
      },
      async startAgent() {
        agent = await world.startAgent(options);
      },
      async startPrometheus() {
        prometheus = await world.startPrometheus();
      },
      [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    };
  } catch (error) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}
