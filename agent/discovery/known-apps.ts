import type { TargetGroup } from './target-group.ts';

/** What Tsuru's list of apps says of an app, but for its units. Values are as Tsuru gives them; what is not set is ''. */
export interface App {
  readonly name: string;
  readonly pool: string;
  readonly team: string;
  readonly annotations: Annotations;
  readonly labels: Annotations;
}

/** Annotations or labels of an app or of one of its processes, by name. */
export type Annotations = Readonly<Record<string, string>>;

/** A unit of an app: a pod, with the Kubernetes provisioner. What is not set is ''. */
export interface Unit {
  readonly id: string;
  readonly name: string;
  /** '' for the one-off pods of `tsuru app run`. */
  readonly process: string;
  /** created, starting, started, error, stopped; of old provisioners also building, succeeded. */
  readonly status: string;
  /** The version of the app that it runs. */
  readonly version: string;
  /** The pod's own address, an IP; '' while it has none, and with old provisioners. */
  readonly internalIp: string;
  /** `ip:port`, as old provisioners give it; '' without. */
  readonly hostPort: string;
}

/** Where a process of an app listens: an entry of Tsuru's `internalAddresses`. */
export interface Port {
  readonly process: string;
  readonly protocol: string;
  readonly targetPort: number;
  /** '' unless several versions of the app run. */
  readonly version: string;
}

/** What only `GET /1.0/apps/A` returns. */
export interface AppDetails {
  readonly platform: string;
  readonly ports: readonly Port[];
  /** The annotations of each process that has any. */
  readonly processes: Readonly<Record<string, Annotations>>;
}

/** What is known of a bound app, from the last answers that had it. */
export interface KnownApp {
  readonly app: App;
  /** Its units when Tsuru last reported them. */
  readonly units: readonly Unit[];
  /** Set while Tsuru cannot report its units: then the last ones stand. */
  readonly unknown?: { readonly reason: string; readonly sinceMs: number };
  /** Missing until they were asked for the first time. */
  readonly details?: AppDetails;
  /**
   * Its target groups as the last target file had them, for an app whose units were never told to this agent because the state file was
   * lost. They stand until Tsuru reports its units.
   */
  readonly fromTargetFile?: readonly TargetGroup[];
  /**
   * Set once the app that was bound is gone, though the token may still read an app of its name: the team it had. Nothing else of it is
   * known then, and nothing scraped.
   */
  readonly formerTeam?: string;
}

export type KnownApps = ReadonlyMap<string, KnownApp>;
