"""The Helm chart and the manifests: rendered with Helm, judged by the tools and the types of those who read them."""
