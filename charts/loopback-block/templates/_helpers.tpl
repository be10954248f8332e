{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{/* The release's name, as it always was: a DaemonSet under another name would run beside the old one. */}}
{{- define "loopback-block.fullname" -}}
{{ .Release.Name }}
{{- end -}}

{{/* Immutable in a DaemonSet: must stay what earlier versions of this chart wrote. */}}
{{- define "loopback-block.selectorLabels" -}}
app.kubernetes.io/name: loopback-block
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "loopback-block.labels" -}}
{{ include "loopback-block.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.Version | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "loopback-block.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/*
One device a line: path, file, size in MiB. They reach the script as data, never as shell.
What a schema cannot say is said here: no two devices share a path or a file, and Linux ends at minor 1048575.
*/}}
{{- define "loopback-block.devices" -}}
{{- $paths := dict -}}
{{- $files := dict -}}
{{- range .Values.devices -}}
{{- if hasKey $paths .path -}}
{{- fail (printf "devices: %s is there twice" .path) -}}
{{- end -}}
{{- if hasKey $files .file -}}
{{- fail (printf "devices: %s is the file of both %s and %s; a file is never attached twice" .file (get $files .file) .path) -}}
{{- end -}}
{{- if gt (trimPrefix "/dev/loop" .path | int64) 1048575 -}}
{{- fail (printf "devices: %s is too high; the last loop device is /dev/loop1048575" .path) -}}
{{- end -}}
{{- $_ := set $paths .path true -}}
{{- $_ := set $files .file .path -}}
{{ .path }} {{ .file }} {{ .sizeMB | int64 }}
{{ end -}}
{{- end -}}

{{/* What DaemonSet and test have in common. */}}
{{- define "loopback-block.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Privileged, because the ioctls of loop devices and mknod in the node's /dev are given to no other container. */}}
{{- define "loopback-block.securityContext" -}}
securityContext:
  privileged: true
  readOnlyRootFilesystem: true
  runAsUser: 0
{{- end -}}
