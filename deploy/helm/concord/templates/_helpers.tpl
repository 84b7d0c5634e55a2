{{- define "concord.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "concord.labels" -}}
app.kubernetes.io/name: concord
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "concord.selector" -}}
app.kubernetes.io/name: concord
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "concord.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The services that a process talks to: a source or a sink to its own, the toolbox to both. */}}
{{- define "concord.sides" -}}
{{- if or .toolbox (hasSuffix "-graph" .role) }}graph {{ end }}{{ if or .toolbox (hasSuffix "-salesforce" .role) }}salesforce{{ end -}}
{{- end }}

{{- define "concord.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Variables of one party: where Kafka is and who it is there, and what its service needs. Secrets are files. */}}
{{- define "concord.env" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $sides := include "concord.sides" . -}}
{{- range $name, $value := .root.Values.config }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
- { name: CONCORD_BROKER, value: {{ required "kafka.bootstrap: the brokers' addresses, host:port[,host:port]" $kafka.bootstrap | quote }} }
- { name: CONCORD_BROKER_PROTOCOL, value: {{ $kafka.protocol | quote }} }
{{- if hasPrefix "SASL" $kafka.protocol }}
- { name: CONCORD_BROKER_MECHANISM, value: {{ $kafka.mechanism | quote }} }
- { name: CONCORD_BROKER_USERNAME, value: {{ printf "%s%s" $kafka.userPrefix .role | quote }} }
- { name: CONCORD_BROKER_PASSWORD_FILE, value: {{ printf "/run/secrets/kafka/%s" $kafka.passwordKey | quote }} }
{{- else if eq $kafka.protocol "SSL" }}
- { name: CONCORD_BROKER_CERTIFICATE_FILE, value: {{ printf "/run/secrets/kafka/%s" $kafka.certificateKey | quote }} }
- { name: CONCORD_BROKER_KEY_FILE, value: {{ printf "/run/secrets/kafka/%s" $kafka.privateKeyKey | quote }} }
{{- end }}
{{- if and $kafka.ca.secret (hasSuffix "SSL" $kafka.protocol) }}
- { name: CONCORD_BROKER_CA_FILE, value: {{ printf "/run/secrets/kafka-ca/%s" $kafka.ca.key | quote }} }
{{- end }}
{{- with .root.Values.schemaRegistry }}
{{- if .url }}
- { name: CONCORD_SCHEMA_REGISTRY, value: {{ .url | quote }} }
{{- if .secret }}
- { name: CONCORD_SCHEMA_REGISTRY_USERNAME, value: {{ required "schemaRegistry.username: who signs in with the secret's password" .username | quote }} }
- { name: CONCORD_SCHEMA_REGISTRY_PASSWORD_FILE, value: /run/secrets/registry/password }
{{- end }}
{{- if .ca.secret }}
- { name: CONCORD_SCHEMA_REGISTRY_CA_FILE, value: {{ printf "/run/secrets/registry-ca/%s" .ca.key | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- if contains "graph" $sides }}
{{- with .root.Values.graph }}
- { name: CONCORD_GRAPH_TENANT, value: {{ required "graph.tenant: the Entra tenant's id" .tenant | quote }} }
- { name: CONCORD_GRAPH_CLIENT_ID, value: {{ required "graph.clientId: the application's id" .clientId | quote }} }
{{- if eq .credential "private-key" }}
- { name: CONCORD_GRAPH_PRIVATE_KEY_FILE, value: /run/secrets/graph/private-key }
- { name: CONCORD_GRAPH_CERTIFICATE_FILE, value: /run/secrets/graph/certificate }
{{- else }}
- { name: CONCORD_GRAPH_CLIENT_SECRET_FILE, value: /run/secrets/graph/client-secret }
{{- end }}
{{- if and .webhookUrl (eq $.role "source-graph") }}
- { name: CONCORD_WEBHOOK_URL, value: {{ .webhookUrl | quote }} }
- { name: CONCORD_WEBHOOK_LISTEN, value: "0.0.0.0:8920" }
- { name: CONCORD_WEBHOOK_SECRET_FILE, value: /run/secrets/graph/webhook-secret }
{{- end }}
{{- end }}
{{- end }}
{{- if contains "salesforce" $sides }}
{{- with .root.Values.salesforce }}
- { name: CONCORD_SALESFORCE_URL, value: {{ required "salesforce.url: the org's My Domain URL" .url | quote }} }
- { name: CONCORD_SALESFORCE_CLIENT_ID, value: {{ required "salesforce.clientId: the app's consumer key" .clientId | quote }} }
{{- if eq .credential "private-key" }}
- { name: CONCORD_SALESFORCE_PRIVATE_KEY_FILE, value: /run/secrets/salesforce/private-key }
- { name: CONCORD_SALESFORCE_USERNAME, value: {{ required "salesforce.username: who signs in with the key" .username | quote }} }
{{- else }}
- { name: CONCORD_SALESFORCE_CLIENT_SECRET_FILE, value: /run/secrets/salesforce/client-secret }
{{- end }}
{{- if .fieldsConfigMap }}
- { name: CONCORD_SALESFORCE_FIELDS, value: /etc/concord/fields/fields.json }
{{- end }}
{{- end }}
{{- end }}
{{- if or .toolbox (has .role (list "project" "console")) }}
- { name: CONCORD_DATABASE_URL_FILE, value: /run/secrets/database/url }
{{- end }}
{{- end }}

{{- define "concord.mounts" -}}
- { name: tmp, mountPath: /tmp }
{{- if ne .root.Values.kafka.protocol "PLAINTEXT" }}
- { name: kafka, mountPath: /run/secrets/kafka, readOnly: true }
{{- end }}
{{- if .root.Values.kafka.ca.secret }}
- { name: kafka-ca, mountPath: /run/secrets/kafka-ca, readOnly: true }
{{- end }}
{{- with .root.Values.schemaRegistry }}
{{- if and .url .secret }}
- { name: registry, mountPath: /run/secrets/registry, readOnly: true }
{{- end }}
{{- if and .url .ca.secret }}
- { name: registry-ca, mountPath: /run/secrets/registry-ca, readOnly: true }
{{- end }}
{{- end }}
{{- $sides := include "concord.sides" . }}
{{- if contains "graph" $sides }}
- { name: graph, mountPath: /run/secrets/graph, readOnly: true }
{{- end }}
{{- if contains "salesforce" $sides }}
- { name: salesforce, mountPath: /run/secrets/salesforce, readOnly: true }
{{- end }}
{{- if and (contains "salesforce" $sides) .root.Values.salesforce.fieldsConfigMap }}
- { name: fields, mountPath: /etc/concord/fields, readOnly: true }
{{- end }}
{{- if or .toolbox (has .role (list "project" "console")) }}
- { name: database, mountPath: /run/secrets/database, readOnly: true }
{{- end }}
{{- end }}

{{- define "concord.volumes" -}}
{{- $sides := include "concord.sides" . -}}
- { name: tmp, emptyDir: {} }
{{- if ne .root.Values.kafka.protocol "PLAINTEXT" }}
- { name: kafka, secret: { secretName: {{ printf "%s%s" .root.Values.kafka.userPrefix .role }} } }
{{- end }}
{{- if .root.Values.kafka.ca.secret }}
- { name: kafka-ca, secret: { secretName: {{ .root.Values.kafka.ca.secret }} } }
{{- end }}
{{- with .root.Values.schemaRegistry }}
{{- if and .url .secret }}
- { name: registry, secret: { secretName: {{ .secret }} } }
{{- end }}
{{- if and .url .ca.secret }}
- { name: registry-ca, secret: { secretName: {{ .ca.secret }} } }
{{- end }}
{{- end }}
{{- if contains "graph" $sides }}
- { name: graph, secret: { secretName: {{ .root.Values.graph.secret }} } }
{{- end }}
{{- if contains "salesforce" $sides }}
- { name: salesforce, secret: { secretName: {{ .root.Values.salesforce.secret }} } }
{{- end }}
{{- if and (contains "salesforce" $sides) .root.Values.salesforce.fieldsConfigMap }}
- { name: fields, configMap: { name: {{ .root.Values.salesforce.fieldsConfigMap }} } }
{{- end }}
{{- if or .toolbox (has .role (list "project" "console")) }}
- { name: database, secret: { secretName: {{ .root.Values.database.secret }} } }
{{- end }}
{{- end }}

{{/* One container of a role, the same in each kind of workload. */}}
{{- define "concord.container" -}}
name: {{ .role }}
image: {{ include "concord.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- if .toolbox }}
command: [sleep, infinity]
{{- else }}
args: {{ .command | toJson }}
{{- end }}
env:
  {{- include "concord.env" . | nindent 2 }}
  {{- if eq .role "console" }}
  - { name: CONCORD_CONSOLE_LISTEN, value: "0.0.0.0:8940" }
  - { name: CONCORD_CONSOLE_URL, value: {{ required "console.url: the https address that people open" .root.Values.console.url | quote }} }
  {{- else if not .toolbox }}
  - { name: CONCORD_METRICS_HOST, value: "0.0.0.0" }
  - { name: CONCORD_METRICS_PORT, value: "9464" }
  {{- end }}
  {{- if and .storage (ne .role "console") }}
  - { name: CONCORD_WORKER, valueFrom: { fieldRef: { fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']" } } }
  {{- end }}
{{- if eq .role "console" }}
ports:
  - { name: console, containerPort: 8940 }
livenessProbe: { tcpSocket: { port: console }, periodSeconds: 20, failureThreshold: 6 }
readinessProbe: { tcpSocket: { port: console }, periodSeconds: 10 }
{{- else if not .toolbox }}
ports:
  - { name: metrics, containerPort: 9464 }
  {{- if and (eq .role "source-graph") .root.Values.graph.webhookUrl }}
  - { name: webhook, containerPort: 8920 }
  {{- end }}
livenessProbe: { httpGet: { path: /healthz, port: metrics }, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 6 }
readinessProbe: { httpGet: { path: /readyz, port: metrics }, periodSeconds: 10, timeoutSeconds: 5 }
{{- end }}
resources:
  {{- toYaml .settings.resources | nindent 2 }}
securityContext:
  {{- include "concord.securityContext" . | nindent 2 }}
volumeMounts:
  {{- include "concord.mounts" . | nindent 2 }}
  {{- if .storage }}
  - { name: data, mountPath: /var/lib/concord/data }
  {{- end }}
{{- end }}

{{- define "concord.pod" -}}
metadata:
  labels:
    {{- include "concord.labels" . | nindent 4 }}
spec:
  automountServiceAccountToken: false
  # A role has 9.5 s to finish what it has begun.
  terminationGracePeriodSeconds: 20
  securityContext:
    {{- toYaml .root.Values.podSecurityContext | nindent 4 }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "concord.selector" . | nindent 10 }}
  containers:
    -
      {{- include "concord.container" . | nindent 6 }}
  volumes:
    {{- include "concord.volumes" . | nindent 4 }}
{{- end }}
