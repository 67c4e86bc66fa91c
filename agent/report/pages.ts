import type Registry from 'prom-client/lib/registry.js';
import type { PollOutcome } from '../tsuru/poller.ts';
import { takesHtml } from '../page/accept.ts';
import { ASSETS, PAGE_POLICY } from '../page/assets.ts';
import type { PageFacts } from '../page/facts.ts';
import { maskPage } from '../page/mask.ts';
import { statusPage } from '../page/page.ts';
import { readSelection } from '../page/selection.ts';
import { BAD_POKE, readPoke, type DetailsAgain } from '../tsuru/pokes.ts';
import type { Readiness } from '../prometheus/api/health.ts';
import { json, text, type Page, type Pages } from './server.ts';
import { INSTANCE_CHALLENGE, type Verdict } from '../shared/basic-auth.ts';
import { formatDuration } from '../shared/duration.ts';
import { count, errorText } from '../shared/text.ts';
import { BAD_HANDED, readHanded, type Handed } from '../system/access.ts';
import type { Status } from '../shared/status.ts';

/** How long after it was due a poll may end: one that waits for Tsuru and for hundreds of missing apps takes minutes, none takes longer. */
const STUCK_AFTER_MS = 10 * 60_000;

/** How long a wrong password waits for its answer, as at the guarded port: that ends guessing. */
const WRONG_PASSWORD_MS = 1_000;
const UNAUTHORIZED: Page = {
  ...text(401, 'This page needs the user and the password of the guarded port.'),
  headers: INSTANCE_CHALLENGE,
};

export interface PagesOptions {
  readonly registry: Registry;
  readonly status: () => Promise<Status>;
  readonly readiness: () => Promise<Readiness>;
  /** Whether targets were written or restored. */
  readonly isOnDisk: () => boolean;
  /** How long ago the next poll was due; below 0 while it is not. */
  readonly overdueMs: () => number;
  /** Checks the user and the password of the guarded port; undefined if there is none. */
  readonly verdictOf: ((authorization: string | undefined) => Verdict) | undefined;
  readonly sleep: (durationMs: number) => Promise<void>;
  /** Polls now, and returns how that ended and how many targets there are then. */
  readonly poll: (again: DetailsAgain) => Promise<{ readonly outcome: PollOutcome; readonly targets: number }>;
}

type OwnPages = Pages & Readonly<Record<'GET /metrics' | 'GET /tsuru/status', Pages[string]>>;

/** The agent's own pages. */
export function createPages(options: PagesOptions): OwnPages {
  const { registry, status, readiness, isOnDisk, overdueMs, verdictOf, sleep, poll } = options;
  return {
    'GET /metrics': async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
    'GET /healthz': () => {
      const lateMs = overdueMs();
      const late = formatDuration(Math.max(0, Math.round(lateMs / 1000) * 1000));
      return Promise.resolve(
        lateMs > STUCK_AFTER_MS ? text(503, `The poll that was due ${late} ago has not ended.`) : text(200, 'Alive.'),
      );
    },
    'GET /readyz': async () => {
      const prometheus = await readiness();
      if (!isOnDisk()) return text(503, 'Not ready: no targets were written or restored yet.');
      return prometheus.ready ? text(200, 'Ready.') : text(503, `Not ready: Prometheus is not: ${prometheus.reason}`);
    },
    'GET /tsuru/status': async () => json(200, await status()),
    // Prometheus can be made to send a POST to any address of this machine.
    'POST /tsuru/poll': async ({ authorization, body }) => {
      const verdict = verdictOf?.(authorization) ?? 'right';
      if (verdict === 'wrong') await sleep(WRONG_PASSWORD_MS);
      if (verdict !== 'right') return UNAUTHORIZED;
      const again = readPoke(body);
      if (again === undefined) return text(400, BAD_POKE);
      const { outcome, targets } = await poll(again);
      if (outcome.kind === 'failed') return text(502, `Polled, but: ${outcome.reason}`);
      return text(200, `Polled: ${count(targets, 'target')}.`);
    },
  };
}

export interface GuardedPagesOptions {
  readonly pages: OwnPages;
  readonly poke: (again: DetailsAgain) => void;
  readonly facts: () => Promise<PageFacts>;
  /** Uses a new token or password from now on. @throws the file system's error. */
  readonly take: (handed: Handed) => Promise<void>;
  readonly secrets: readonly string[];
}

/** The agent's pages on the guarded port, which has checked the password. The status is a page for those who name HTML. */
export function createGuardedPages({ pages, poke, facts, take, secrets }: GuardedPagesOptions): Pages {
  const { 'GET /metrics': metrics, 'GET /tsuru/status': asJson } = pages;
  const status: Pages[string] = async (request) => {
    const vary = { vary: 'Accept' };
    if (!takesHtml(request.accept)) return { ...(await asJson(request)), headers: vary };
    const body = maskPage(statusPage(await facts(), readSelection(request.query)), secrets);
    const headers = { ...vary, 'content-security-policy': PAGE_POLICY };
    return { status: 200, type: 'text/html; charset=utf-8', body, headers };
  };
  return {
    ...Object.fromEntries(
      Object.entries(ASSETS).map(([path, asset]) => [`GET ${path}`, () => Promise.resolve({ status: 200, ...asset })]),
    ),
    'GET /': status,
    'GET /metrics': metrics,
    'GET /tsuru/status': status,
    'POST /tsuru/poll': ({ body }) => {
      const again = readPoke(body);
      if (again === undefined) return Promise.resolve(text(400, BAD_POKE));
      poke(again);
      return Promise.resolve(text(202, 'Polling.'));
    },
    'POST /tsuru/access': async ({ body }) => {
      const handed = readHanded(body);
      if (handed === undefined) return text(400, BAD_HANDED);
      try {
        await take(handed);
        return text(200, 'Taken over.');
      } catch (error) {
        return text(503, `Not taken over, as it cannot be kept: ${errorText(error)}.`);
      }
    },
  };
}
