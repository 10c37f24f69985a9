// The type that the committed dashboards are held to (`make dashboards-check`): Grafana's own, as JSON writes it.
import type { AnnotationQuery, Dashboard, DataQuery, VariableModel } from "@grafana/schema";

// In JSON an enum is its value.
type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

// What Grafana reads and its types leave out: fields of interval variables, which the generator writes for all kinds,
// and how Prometheus words an annotation.
type Variable = VariableModel & { auto?: boolean; auto_min?: string; auto_count?: number };
type Query = DataQuery & { expr: string; interval?: string; instant?: boolean; range?: boolean };
type Annotation = AnnotationQuery<Query> & { titleFormat?: string; textFormat?: string };

export type Board = Plain<
  Omit<Dashboard, "annotations" | "templating"> & {
    annotations: { list: Annotation[] };
    templating: { list: Variable[] };
  }
>;
