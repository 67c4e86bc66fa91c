import type { Settings } from '../shared/settings/schema.ts';
import type { Status } from '../shared/status.ts';

/** What may not be known, with the reason. Unknown is never none. */
export type Told<T> = { readonly known: true; readonly value: T } | { readonly known: false; readonly reason: string };

/** All that the page shows. Times are in milliseconds since 1970. */
export interface PageFacts {
  readonly nowMs: number;
  readonly status: Status;
  /** The service and the instance as `tsuru` commands name them; undefined until Tsuru has told them. */
  readonly names: { readonly service: string; readonly instance: string } | undefined;
  /** The service's plan; undefined until Tsuru has told it. */
  readonly plan: string | undefined;
  /** What is in force. */
  readonly settings: Settings;
  /** Problems by kind, with their beginning. */
  readonly troubles: readonly PageTrouble[];
  /** How much of the storage was used, oldest first. */
  readonly usage: Told<readonly Usage[]>;
  /** The oldest sample that there is; undefined without one. */
  readonly oldestMs: number | undefined;
  readonly senders: Told<readonly SenderState[]>;
  readonly alerts: Told<readonly FiringAlert[]>;
  /** The newest first. */
  readonly changes: readonly RecentChange[];
  readonly metrics: Told<TopMetrics>;
  /** The path of Prometheus' page of queries; undefined while it is not known. */
  readonly home: string | undefined;
}

export interface PageTrouble {
  readonly key: string;
  readonly text: string;
  readonly sinceMs: number;
}

export interface Usage {
  readonly atMs: number;
  readonly bytes: number;
}

/** A sender of remote_write. */
export interface SenderState {
  /** Its name, if it has one, and the host of its URL: the rest may hold a secret. */
  readonly name: string;
  /** How far what was sent is behind what there is. */
  readonly behindMs: number;
  readonly pending: number;
  /** Whether anything was sent since Prometheus started. */
  readonly hasSent: boolean;
  /** Samples that could not be sent and are given up. */
  readonly failed: number;
}

export interface FiringAlert {
  readonly name: string;
  readonly severity: string;
  /** Its summary, or its description. */
  readonly text: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly activeMs: number | undefined;
}

/** Something that happened: to an app, or to the instance. */
export interface RecentChange {
  readonly atMs: number;
  readonly text: string;
}

/** What Prometheus holds in its head, and which metrics have most of it. */
export interface TopMetrics {
  readonly series: number;
  readonly top: readonly { readonly name: string; readonly series: number }[];
}
