{{- define "switchboard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "switchboard.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "switchboard.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "switchboard.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "switchboard.selectorLabels" -}}
app.kubernetes.io/name: {{ include "switchboard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "switchboard.labels" -}}
{{ include "switchboard.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "switchboard.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "switchboard.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "switchboard.image" -}}
{{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end -}}

{{- define "switchboard.isCluster" -}}
{{- if eq .Values.mode "cluster" -}}true{{- end -}}
{{- end -}}

{{/* What cannot work is said here, before anything is installed. */}}
{{- define "switchboard.check" -}}
{{- if and (include "switchboard.isCluster" .) (not .Values.existingSecret) -}}
{{- fail "mode: cluster needs existingSecret with signing_key and admin_token: all pods share them. `switchboard config cluster` makes them." -}}
{{- end -}}
{{- if gt (int .Values.drain.durationSeconds) (sub (int .Values.drain.terminationGracePeriodSeconds) 20 | int) -}}
{{- fail "drain.terminationGracePeriodSeconds must be at least 20 s above drain.durationSeconds, or pods are killed while they drain" -}}
{{- end -}}
{{- end -}}

{{/* Settings from values, the secret's as files so that they are never in an environment. */}}
{{- define "switchboard.environment" -}}
- name: SWITCHBOARD_CONFIG
  value: /etc/switchboard/switchboard.toml
{{- if .Values.existingSecret }}
- name: SWITCHBOARD_AUTH__SIGNING_KEY_FILE
  value: /run/secrets/switchboard/signing_key
- name: SWITCHBOARD_AUTH__ADMIN_TOKEN_FILE
  value: /run/secrets/switchboard/admin_token
{{- end }}
{{- if include "switchboard.isCluster" . }}
{{- if .Values.cluster.store }}
- name: SWITCHBOARD_STORE
  value: {{ .Values.cluster.store | quote }}
{{- else }}
- name: SWITCHBOARD_STORE_FILE
  value: /run/secrets/switchboard/store
{{- end }}
{{- if .Values.cluster.bridge }}
- name: SWITCHBOARD_BRIDGE
  value: {{ .Values.cluster.bridge | quote }}
{{- else }}
- name: SWITCHBOARD_BRIDGE_FILE
  value: /run/secrets/switchboard/bridge
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "switchboard.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "switchboard.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "switchboard.volumeMounts" -}}
- name: config
  mountPath: /etc/switchboard
  readOnly: true
{{- if .Values.existingSecret }}
- name: secret
  mountPath: /run/secrets/switchboard
  readOnly: true
{{- end }}
- name: data
  mountPath: /var/lib/switchboard
{{- end -}}

{{- define "switchboard.volumes" -}}
- name: config
  configMap:
    name: {{ include "switchboard.fullname" . }}
{{- with .Values.existingSecret }}
- name: secret
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end -}}
