import type { Log } from '../../agent/shared/log.ts';
import { TsuruError, type TsuruWriter } from '../../agent/shared/tsuru.ts';
import { errorText } from '../../agent/shared/text.ts';
import type { Clock } from '../../agent/shared/clock.ts';
import { BrokerError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { createApi, type Api, type DeployEvent } from './api.ts';
import { deployReason } from './deploy-reason.ts';
import { isDefinitiveAnswer } from './failures.ts';
import { retryLocked } from './locked.ts';

/** A deploy that Tsuru refuses within this time fails the creation; later it continues in the background. */
const START_WAIT_MS = 3_000;
/** A deploy whose request broke off is looked after by its event. */
const LOOK_EVERY_MS = 5_000;
const MOST_ATTEMPTS = 3;

/** Deploys that continue after the request which caused them. Tsuru completes them by itself; this follows how they end. */
export interface Deploys {
  /** Resolves once the deploy is in Tsuru's hands, takes its time, or was begun before. Rejects when Tsuru refuses it. */
  start(app: string, message: string, image?: string): Promise<void>;
  /** Resolves at the end of the deploy: undefined, or why it failed. Rejects when Tsuru refuses it. */
  finish(app: string, message: string, image: string, signal: AbortSignal): Promise<string | undefined>;
  /** Whether a deploy of the app is looked after here. */
  isRunning(app: string): boolean;
  /** Ends what is done for an app that is to go: its deploy is not begun again. */
  forget(app: string): void;
  /** Stops following; Tsuru continues. Resolves once nothing is left. */
  stop(): Promise<void>;
}

export interface DeploysOptions {
  readonly tsuru: TsuruWriter;
  /** Of deploys that name no other. */
  readonly image: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface Deploy {
  readonly app: string;
  readonly image: string;
  readonly message: string;
  /** The last one that had ended before. */
  readonly before: string | undefined;
  readonly onStart: () => void;
}

export function createDeploys({ tsuru, image: usual, clock, log, metrics }: DeploysOptions): Deploys {
  const running = new Map<string, { readonly ended: Promise<void>; readonly controller: AbortController }>();

  /** Rejects with Tsuru's refusal; any other outcome is followed, logged and returned: undefined, or why it failed. */
  async function run(deploy: Omit<Deploy, 'before'>, signal: AbortSignal): Promise<string | undefined> {
    const { app } = deploy;
    const api = createApi(tsuru, signal);
    const last = await api.lastDeploy(app);
    // One that runs is another broker's: as good as our own.
    const before = last?.isRunning === true ? undefined : last?.id;
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      if (await deployOnce(api, { ...deploy, before }, signal)) {
        log.info({ app }, `${app} is deployed`);
        metrics.deployed('succeeded');
        return undefined;
      }
      const event = await endOf(api, app, before, signal);
      if (event !== undefined) {
        const went = event.error === '' ? 'succeeded' : 'failed';
        const reason = event.error.slice(0, 1000);
        if (went === 'failed') log.warn({ app, event: event.id, reason }, `the deploy of ${app} failed`);
        else log.info({ app, event: event.id }, `${app} is deployed`);
        metrics.deployed(went);
        return went === 'failed' ? deployReason(event.error) : undefined;
      }
      log.warn({ app, attempt }, `the deploy of ${app} did not reach Tsuru`);
      await clock.sleep(LOOK_EVERY_MS, signal);
      signal.throwIfAborted();
    }
    metrics.deployed('failed');
    log.warn({ app }, `the deploy of ${app} could not be begun: it is tried again later`);
    return 'it did not reach Tsuru';
  }

  /** Returns whether it succeeded; also false if another broker has begun one meanwhile. */
  async function deployOnce(
    api: Api,
    { app, image, message, before, onStart }: Deploy,
    signal: AbortSignal,
  ): Promise<boolean> {
    async function deployUnlessBegun(): Promise<boolean> {
      const last = await api.lastDeploy(app);
      if (last === undefined || last.id === before) return api.deploy(app, image, message, onStart);
      onStart();
      return false;
    }
    try {
      return await retryLocked(deployUnlessBegun, { clock, signal });
    } catch (error) {
      // Tsuru answered: there is nothing to follow. A request that breaks off says nothing about the deploy.
      if (!(error instanceof TsuruError) || isDefinitiveAnswer(error)) throw error;
      log.warn({ app, reason: errorText(error) }, `the request that deploys ${app} broke off`);
      return false;
    }
  }

  /** How the deploy that came after this one ended; undefined if there is none. */
  async function endOf(
    api: Api,
    app: string,
    before: string | undefined,
    signal: AbortSignal,
  ): Promise<DeployEvent | undefined> {
    for (;;) {
      const event = await api.lastDeploy(app).catch((error: unknown) => {
        if (!(error instanceof TsuruError)) throw error;
        return 'unknown' as const;
      });
      if (event !== 'unknown') {
        if (event === undefined || event.id === before) return undefined;
        if (!event.isRunning) return event;
      }
      await clock.sleep(LOOK_EVERY_MS, signal);
      signal.throwIfAborted();
    }
  }

  function isRunning(app: string): boolean {
    return running.get(app)?.controller.signal.aborted === false;
  }

  return {
    isRunning,
    async start(app, message, image = usual) {
      if (isRunning(app)) return;
      const controller = new AbortController();
      const { signal } = controller;
      const started = Promise.withResolvers<undefined>();
      const onStart = (): void => {
        started.resolve(undefined);
      };
      const deploying = run({ app, image, message, onStart }, signal);
      const waited = new AbortController();
      const ended = deploying.then(
        () => undefined,
        (error: unknown) => {
          if (signal.aborted) {
            metrics.deployed('unknown');
            return;
          }
          metrics.deployed('failed');
          log.warn({ app, reason: errorText(error) }, `the deploy of ${app} failed`);
        },
      );
      const entry = { ended, controller };
      running.set(app, entry);
      void ended.then(() => {
        if (running.get(app) === entry) running.delete(app);
      });
      try {
        const patience = clock.sleep(START_WAIT_MS, waited.signal);
        await Promise.race([deploying, started.promise, patience]);
      } finally {
        waited.abort();
      }
    },
    finish: (app, message, image, signal) => run({ app, image, message, onStart: () => undefined }, signal),
    forget(app) {
      running.get(app)?.controller.abort(new BrokerError(410, 'The instance was removed while it was being made.'));
    },
    async stop() {
      for (const { controller } of running.values()) controller.abort(new Error('the broker stops'));
      await Promise.all([...running.values()].map(({ ended }) => ended));
    },
  };
}
